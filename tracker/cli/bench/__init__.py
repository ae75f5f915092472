"""`tracker bench`."""
