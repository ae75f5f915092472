"""A network whose detections can be derived by hand: it finds red and green blocks of 8x8."""

import numpy as np
import pytest

from tracker.detection.runtimes.base import YoloNetwork
from tracker.models.heads import HeadKind, YoloHead

CFG = """[net]
width=96
height=64
channels=3

[convolutional]
filters=7
size=8
stride=8
pad=0
activation=linear

[yolo]
mask=0
anchors=8,8
classes=2
num=1
"""


def block_convolution(class_index=None):
    """Kernel `(8, 8, 3, 7)` and bias `(7,)` that see in each cell of 8x8 pixels how red it is.

    Objectness is `40 * mean - 10`; the classes are `10 * red - 5` and `10 * green - 5`; boxes are
    the anchor, centred in the cell. With a class index, only that colour counts as an object.
    """
    kernel, bias = np.zeros((8, 8, 3, 7), np.float32), np.zeros(7, np.float32)
    seen = slice(None) if class_index is None else class_index
    kernel[:, :, seen, 4], bias[4] = 40 / 192, -10
    for index in range(2):
        kernel[:, :, index, 5 + index], bias[5 + index] = 10 / 64, -5
    return kernel, bias


@pytest.fixture(scope="session")
def block_network():
    """Two heads of one shape: red with an anchor of 8x8, green with one of 16x16."""

    def build(input_size):
        import keras

        image = keras.Input((*input_size, 3))
        outputs = [keras.layers.Conv2D(7, 8, strides=8, name=f"c{i}")(image) for i in range(2)]
        model = keras.Model(image, outputs)
        for index in range(2):
            model.get_layer(f"c{index}").set_weights(block_convolution(index))
        return model

    heads = tuple(YoloHead(HeadKind.YOLO, ((side, side),), 2) for side in (8.0, 16.0))
    return YoloNetwork(heads, 2, stride=8, long_side=96, digest="blocks", build=build)


@pytest.fixture(scope="session")
def block_files(tmp_path_factory):
    """Paths of the cfg and the weights of a one-headed block network."""
    folder = tmp_path_factory.mktemp("blocks")
    kernel, bias = block_convolution()
    cfg, weights = folder / "blocks.cfg", folder / "blocks.weights"
    cfg.write_text(CFG)
    header = np.array([0, 2, 5, 0, 0], "<i4").tobytes()
    numbers = np.concatenate([bias, kernel.transpose(3, 2, 0, 1).ravel()])
    weights.write_bytes(header + numbers.astype("<f4").tobytes())
    return cfg, weights


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory):
    """One cache for all tests, so that each network is exported once."""
    return tmp_path_factory.mktemp("cache")
