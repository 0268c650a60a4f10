"""How much of an image is left after encoding and decoding it?"""
