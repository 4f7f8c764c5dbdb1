"""Fitting one network to one set of samples."""
