"""Engines exported and held against the network that they stand for."""
