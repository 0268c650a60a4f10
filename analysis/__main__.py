"""`python -m analysis`."""

from .app import main

main()
