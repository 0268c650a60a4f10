"""python -m latentgan."""

from latentgan.cli.app import main

main()
