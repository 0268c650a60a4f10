"""Uses of a trained model: encode, decode, sample, classify, score."""
