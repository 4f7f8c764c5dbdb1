"""A drawn face that moves: portrait, pose, eyelids, gaze, and their courses over time."""
