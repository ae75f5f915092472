"""`tracker train`."""
