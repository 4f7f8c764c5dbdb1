"""Networks, one file each, their registry and their weights files."""
