"""Do two models represent images alike, and which of several runs is ahead?"""
