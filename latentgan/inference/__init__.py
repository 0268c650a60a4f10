"""What a trained model does with images: encode, decode, sample, classify, score."""
