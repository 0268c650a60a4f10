"""Does an edit along a direction change its concept, and nothing else?"""
