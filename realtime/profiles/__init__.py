"""Profiles: what was measured of one person before one camera, and where it is stored."""
