"""Frame sources: cameras, streams, files and the demo."""
