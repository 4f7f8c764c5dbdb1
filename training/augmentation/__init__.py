"""Training samples and their augmentation: re-animated pairs and random batches."""
