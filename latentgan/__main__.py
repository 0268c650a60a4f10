"""python -m latentgan."""

from latentgan.cli import main

main()
