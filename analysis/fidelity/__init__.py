"""Are generated images like real ones, do they cover them, and are they copies?"""
