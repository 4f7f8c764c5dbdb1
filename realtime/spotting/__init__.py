"""Spotting: onset, apex and offset of expressions, and the rejection of artifacts."""
