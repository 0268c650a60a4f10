"""Files, in and out: the readers and writers of `analysis.io`, and what only a run needs."""
