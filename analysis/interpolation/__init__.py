"""Does the middle of a path between two images look like an image?"""
