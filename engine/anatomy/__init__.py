"""Anatomy of the face: landmarks, muscles, head depth and landmark measures."""
