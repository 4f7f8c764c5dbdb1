"""The simulated camera: light and sensor, frame timing, compression, the video file."""
