"""Scores of spotting: found events against true ones."""
