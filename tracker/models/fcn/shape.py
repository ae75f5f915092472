"""What a window classifier may be made of, and what it gives: names and numbers without Keras.

Comes in: nothing. Goes out: the names of its outputs and of the layers that can slide.
"""

CLASS, OBJECTNESS, BOX = "class", "objectness", "box"
OUTPUTS = (CLASS, OBJECTNESS, BOX)
"""The outputs of a window classifier, in their order where they are a list.

`class`: `(B, C)`, softmax, or sigmoid for a single class. `objectness`: `(B, 1)`, sigmoid. `box`:
`(B, 4)`, centre x, centre y, width, height in fractions of the window, origin at its top-left
corner, whatever the activation.
"""

BOX_VALUES = 4

NEIGHBOURHOOD_LAYERS = (
    *("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "MaxPooling2D", "AveragePooling2D"),
    *("ZeroPadding2D", "Cropping2D", "SpatialDropout2D"),
)
"""Layers of Keras that see a part of the picture and do the same everywhere."""

PLACE_LAYERS = (
    *("BatchNormalization", "LayerNormalization", "Normalization", "UnitNormalization"),
    *("Softmax", "Rescaling", "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"),
    "Concatenate",
)
"""Layers of Keras that see the channels of one place, as far as they work along the channels."""

ELEMENTWISE_LAYERS = (
    *("Activation", "ReLU", "LeakyReLU", "ELU", "Identity", "Dropout", "AlphaDropout"),
    *("GaussianDropout", "GaussianNoise", "ActivityRegularization"),
)
"""Layers of Keras that see one value at a time, and have no weights."""

GLOBAL_POOLING_LAYERS = ("GlobalAveragePooling2D", "GlobalMaxPooling2D")
"""Layers of Keras that may stand in the place of Flatten."""

ALL_LAYERS = frozenset(
    {
        *(*NEIGHBOURHOOD_LAYERS, *PLACE_LAYERS, *ELEMENTWISE_LAYERS, *GLOBAL_POOLING_LAYERS),
        *("InputLayer", "Flatten", "Dense", "PReLU"),
    }
)
"""Every layer that a window classifier may hold, besides nested models."""
