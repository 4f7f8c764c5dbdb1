"""Optical flow solvers behind one name."""
