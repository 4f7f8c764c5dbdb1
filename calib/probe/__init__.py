"""Recall on movements injected into the pictures of a calibration."""
