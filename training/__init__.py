"""Datasets, augmentation, training, evaluation and reports."""
