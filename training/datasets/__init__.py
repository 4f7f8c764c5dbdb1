"""Readers of datasets, one module each, and the preparation of raw releases."""
