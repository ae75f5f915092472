"""The files that hold our networks."""
