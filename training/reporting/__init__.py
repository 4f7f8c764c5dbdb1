"""Scores as pages, pictures and logs."""
