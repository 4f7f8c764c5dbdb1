"""The face animator: the demo, tests and training draw from it."""
