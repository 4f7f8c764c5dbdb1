"""Experiments: the zoo of networks and the ablations."""
