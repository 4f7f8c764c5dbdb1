"""Comparisons of networks and of ingredients."""
