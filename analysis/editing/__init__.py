"""Does an edit along a direction change what it says, and nothing else?"""
