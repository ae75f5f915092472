"""Published and built-in models by name, and their downloads."""
