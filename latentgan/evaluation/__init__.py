"""Classifiers that evaluate a model, and supervised baselines."""
