"""Recognition: classification of a facial movement."""
