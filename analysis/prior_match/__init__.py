"""Do the codes of images follow the prior that the generator draws from?"""
