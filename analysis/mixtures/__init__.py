"""Which Gaussian mixture fits the codes, does it form groups, and are they the labels?"""
