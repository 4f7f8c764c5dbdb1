"""What moved between two aligned faces: the head, the regions, the muscles, the strain."""
