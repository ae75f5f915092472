"""Sizes of the appearance network, without Keras."""

CROP_HEIGHT = 128
"""Input height in pixels."""

CROP_WIDTH = 64
"""Input width in pixels."""

DIMENSION = 128
"""`D`: length of an embedding."""
