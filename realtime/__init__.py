"""What has a clock: sources, reader, ring, spotter, pipeline, overlay."""
