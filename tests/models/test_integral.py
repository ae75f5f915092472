"""The network with integral boxes: shapes, and that it equals a published NanoDet-Plus."""

import math
from pathlib import Path

import keras
import numpy as np
import pytest

from tracker.errors import ConfigError, ModelError
from tracker.models.backbones.onnx_file import read_onnx_convolutions
from tracker.models.integral import build_integral
from tracker.models.integral_shape import INTEGRAL_STRIDES, integral_heads
from tracker.models.nanodet_plus import put_published_weights
from tracker.models.yolo_shape import YoloSize

# Mean and standard deviation of NanoDet's pixels, BGR in [0, 255].
MEAN, DEVIATION = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)


@pytest.fixture(scope="module")
def nano():
    keras.utils.set_random_seed(0)
    return build_integral(YoloSize.NANO, 3)


def test_no_class_and_an_odd_size():
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        build_integral(YoloSize.NANO, 0)
    with pytest.raises(ConfigError, match="multiples of 32, got"):
        build_integral(YoloSize.NANO, 1, input_size=(32, 40))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (96, 160)])
def test_maps_round_up(nano, height, width):
    image = np.random.default_rng(0).random((2, height, width, 3)).astype(np.float32)
    maps = [np.asarray(m) for m in nano(image)]
    sizes = [(math.ceil(height / s), math.ceil(width / s)) for s in INTEGRAL_STRIDES]
    assert [m.shape for m in maps] == [(2, *size, 35) for size in sizes]
    assert [head.channels for head in integral_heads(3)] == [35] * 4


def test_new_classes_score_low(nano):
    image = np.random.default_rng(1).random((1, 64, 64, 3)).astype(np.float32)
    for raw in nano(image):
        assert np.abs(np.asarray(raw)[..., 32:] - math.log(0.01 / 0.99)).max() < 1.5


def test_weights_of_another_shape_are_refused(nano):
    with pytest.raises(ModelError, match="expected 110 convolutions, got 1"):
        put_published_weights(nano, YoloSize.NANO, [(np.zeros((1, 1, 1, 1)), np.zeros(1))])
    wrong = [(np.zeros((24, 3, 5, 5), np.float32), np.zeros(24, np.float32))] * 110
    with pytest.raises(ModelError, match=r"shufflenet_stem_conv: .* \(3, 3, 3, 24\), got \(5, 5"):
        put_published_weights(nano, YoloSize.NANO, wrong)


@pytest.mark.parametrize(
    ("size", "file"),
    [
        (YoloSize.NANO, "nanodet-plus-m_dynamic.onnx"),
        pytest.param(YoloSize.SMALL, "nanodet-plus-m-1.5x_dynamic.onnx", marks=pytest.mark.slow),
    ],
)
def test_published_network_gives_the_same(data, size, file):
    onnxruntime = pytest.importorskip("onnxruntime")
    path = data / "weights" / "nanodet_plus" / file
    network = build_integral(size, 80)
    put_published_weights(network, size, read_onnx_convolutions(Path(path)))
    image = np.random.default_rng(2).random((1, 64, 96, 3)).astype(np.float32)
    pixels = (image[..., ::-1] * 255 - np.float32(MEAN)) / np.float32(DEVIATION)
    session = onnxruntime.InferenceSession(path)
    (expected,) = session.run(None, {"data": pixels.transpose(0, 3, 1, 2)})
    maps = np.concatenate([np.asarray(m).reshape(1, -1, 112) for m in network(image)], axis=1)
    scores = 1 / (1 + np.exp(-maps[..., 32:]))
    np.testing.assert_allclose(scores, expected[..., :80], atol=1e-4)
    np.testing.assert_allclose(maps[..., :32], expected[..., 80:], atol=1e-3)
