"""Known movements warped into real footage."""
