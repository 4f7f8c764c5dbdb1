"""Evaluation of live recognition on videos with known events."""
