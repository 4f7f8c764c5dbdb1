"""Event formats: what other programs read events from, by the suffix of a file."""
