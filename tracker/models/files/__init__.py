"""File formats of this package's networks."""
