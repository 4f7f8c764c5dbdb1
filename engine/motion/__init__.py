"""Motion between two aligned faces: head, regions, muscle activations, strain, network input."""
