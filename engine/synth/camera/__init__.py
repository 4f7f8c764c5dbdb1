"""What a camera makes of a picture: optics, noise, frame timing, compression."""
