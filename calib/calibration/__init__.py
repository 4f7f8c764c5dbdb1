"""A quiet face before one camera, measured into a profile."""
