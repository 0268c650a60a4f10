"""Readers of files of images, one format a file."""
