"""How far does a small change of the images change what a probe predicts?"""
