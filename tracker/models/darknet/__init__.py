"""Darknet .cfg and .weights files as Keras models."""
