"""What does each part of a structured code hold: categories, continuous factors, noise?"""
