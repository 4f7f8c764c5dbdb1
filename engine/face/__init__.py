"""A face in a picture: found, followed, and aligned into the crop."""
