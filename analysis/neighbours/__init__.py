"""What do the codes consider similar?"""
