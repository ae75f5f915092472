"""The sizes of our own appearance network, known without Keras.

Comes in: nothing. Goes out: constants.
"""

CROP_HEIGHT = 128
"""Height in pixels of what the network looks at."""

CROP_WIDTH = 64
"""Width in pixels of what the network looks at."""

DIMENSION = 128
"""`D`: values of an embedding."""
