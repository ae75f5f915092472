"""Networks as Keras models, and the readers of third-party weight files."""
