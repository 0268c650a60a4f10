"""How was the model trained, and is it healthy?"""
