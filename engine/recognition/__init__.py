"""Recognition: which expression a movement of the face is."""
