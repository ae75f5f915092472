"""`tracker batch`."""
