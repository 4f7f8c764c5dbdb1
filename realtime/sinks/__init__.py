"""Where Ticks go: files, windows, panels."""
