"""Calibration: a neutral face in front of one camera, measured into a profile."""
