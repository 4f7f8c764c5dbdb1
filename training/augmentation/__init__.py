"""Samples for training, and what is made of them: re-animated pairs, changed batches."""
