"""Measurements of live recognition: calibration, benches, engine exports, evaluation."""
