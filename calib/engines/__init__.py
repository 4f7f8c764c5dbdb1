"""Engines: export, and numerical agreement of runtimes with PyTorch."""
