"""Networks as Keras models, and the readers of foreign weight files."""
