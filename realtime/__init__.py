"""The live path: sources, capture thread, pipeline, spotting, overlay and sinks."""
