"""Along which direction of the code does a label or attribute change, and is that more than chance?"""
