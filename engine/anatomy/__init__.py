"""Anatomy of the face: where its landmarks lie and how far they move."""
