"""Makes networks compute in float16: half the memory traffic, and tensor cores on GPUs.

Weights stay float32 and are rounded when they are used.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import keras

from tracker.models.layers import Mish

_POLICY = "mixed_float16"

# Mish takes exp(x)^2, which overflows float16 at x = 5.5; the others preprocess pixels of 0 to 255.
_EXACT = (Mish, keras.layers.Rescaling, keras.layers.Normalization)


def compute_in_half(network: Any) -> None:
    """Sets the inner layers of a network to compute in float16.

    The output layers stay float32: a box's size is the exponential of its output. Values beyond
    65504 inside the network become infinite; detections that are not finite are dropped.

    Args:
        network: A functional `keras.Model` that was not yet traced.
    """
    makers = {id(output._keras_history.operation) for output in network.outputs}
    for layer in _inner_layers(network.layers):
        if id(layer) not in makers and not isinstance(layer, _EXACT):
            layer.dtype_policy = _POLICY


def _inner_layers(layers: Iterable[Any]) -> Iterator[Any]:
    for layer in layers:
        if isinstance(layer, keras.Model):
            yield from _inner_layers(layer.layers)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield layer
