"""`tracker run`."""
