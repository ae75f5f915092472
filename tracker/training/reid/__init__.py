"""Training of the appearance network."""
