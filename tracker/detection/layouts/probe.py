"""The shapes that a network's file leaves open, found by running it once on an image of one colour.

Files of networks for any input size often declare neither the number of cells nor their channels,
so that several layouts are possible; at a known size the numbers of cells tell them apart.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tracker.detection.layouts.arrays import declared_axes
from tracker.errors import ModelError
from tracker.inference.network import AxisOrder, Network, TensorSpec

PROBE_SIDE = 320
"""Side in pixels of the image: a multiple of 64, where networks of strides 8 to 32 have 2100 cells,
those of strides 8 to 64 2125, and those of three anchors a cell 6300."""

Specs = tuple[Sequence[TensorSpec], Sequence[TensorSpec]]


def probed_specs(network: Network) -> Specs | None:
    """Returns inputs and outputs with the shapes of one run.

    `None` where the file leaves nothing open, where the network takes more than images, where its
    input is no image of known axes, and where it does not run.

    Args:
        network: The network, ready to run.
    """
    specs = (*network.inputs, *network.outputs)
    if len(network.inputs) != 1 or all(spec.shape and None not in spec.shape for spec in specs):
        return None
    spec = network.inputs[0]
    axes = declared_axes([spec])
    if axes is None:
        return None
    usual = (1, 3, PROBE_SIDE, PROBE_SIDE) if axes is AxisOrder.NCHW else _CHANNELS_LAST
    pairs = zip(spec.shape, usual, strict=True)
    shape = tuple(default if side is None else side for side, default in pairs)
    try:
        arrays = network.run([np.ones(shape, spec.dtype)])
    except (ModelError, TypeError):  # Also of a type that NumPy does not have.
        return None
    outputs = [
        TensorSpec(output.name, array.shape, str(array.dtype))
        for output, array in zip(network.outputs, arrays, strict=True)
    ]
    return [replace(spec, shape=shape)], outputs


_CHANNELS_LAST = (1, PROBE_SIDE, PROBE_SIDE, 3)
