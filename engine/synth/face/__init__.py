"""The animated face: portrait, pose, eyelids, gaze, and their time courses."""
