"""What has labels: datasets, folds, the loop, metrics."""
