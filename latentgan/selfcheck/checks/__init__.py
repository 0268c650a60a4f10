"""Closed forms that this installation must reproduce; a file a theme, found by listing the folder (see base.py)."""
