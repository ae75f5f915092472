"""`tracker models`."""
