"""Architectures, one a file, each with its source on top."""
