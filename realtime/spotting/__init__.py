"""Spotting: which movements of a face are expressions, and when they begin, peak and end."""
