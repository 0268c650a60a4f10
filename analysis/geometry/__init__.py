"""What shape do the codes have: spread, collapsed columns, intrinsic dimension?"""
