"""Training: the loop, its state and log, averages, checkpoints, samples."""
