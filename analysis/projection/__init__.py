"""What do the codes look like in two dimensions, and how far can that picture be trusted?"""
