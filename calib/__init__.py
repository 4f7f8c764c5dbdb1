"""Numbers measured from recordings and machines."""
