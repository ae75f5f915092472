"""Names of a window classifier's outputs and of the layers it may contain, without Keras."""

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
"""Keras layers that depend on a neighbourhood and work alike at every position."""

PLACE_LAYERS = (
    *("BatchNormalization", "LayerNormalization", "Normalization", "UnitNormalization"),
    *("Softmax", "Rescaling", "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"),
    "Concatenate",
)
"""Keras layers that depend on the channels of one position, if they work along the channels."""

ELEMENTWISE_LAYERS = (
    *("Activation", "ReLU", "LeakyReLU", "ELU", "Identity", "Dropout", "AlphaDropout"),
    *("GaussianDropout", "GaussianNoise", "ActivityRegularization"),
)
"""Element-wise Keras layers without weights."""

GLOBAL_POOLING_LAYERS = ("GlobalAveragePooling2D", "GlobalMaxPooling2D")
"""Keras layers that may replace Flatten."""

ALL_LAYERS = frozenset(
    {
        *(*NEIGHBOURHOOD_LAYERS, *PLACE_LAYERS, *ELEMENTWISE_LAYERS, *GLOBAL_POOLING_LAYERS),
        *("InputLayer", "Flatten", "Dense", "PReLU"),
    }
)
"""All layers that a window classifier may contain, besides nested models."""
