"""How much of the labels does a simple classifier find in the codes?"""
