"""Scores of spotting: what was there against what was told."""
