"""How many labels does a representation save?"""
