"""Benches: speed of the live path, optical flow, the network and a whole pair."""
