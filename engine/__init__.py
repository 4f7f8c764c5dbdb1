"""Processing of faces and pairs of faces: no threads, no devices, no printing."""
