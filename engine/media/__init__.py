"""Media: files, network streams and pictures, read and written with PyAV and Pillow."""
