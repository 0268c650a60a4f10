"""Does each column of the code hold one known factor?"""
