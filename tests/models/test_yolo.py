"""The detector network: shapes, saving, sizes, and that its heads decode its maps."""

import math

import keras
import numpy as np
import pytest

from tracker.detection.nms import NmsMode
from tracker.detection.runtimes.base import YoloNetwork
from tracker.detection.yolo_detector import DetectorSettings, YoloDetector
from tracker.errors import ConfigError
from tracker.frames import Frame, VideoInfo
from tracker.models.yolo import OUTPUT_NAMES, build_yolo, multiply_adds
from tracker.models.yolo_shape import STRIDES, YoloSize, yolo_heads
from tracker.util.stopwatch import Stopwatch


@pytest.fixture(scope="module")
def nano():
    keras.utils.set_random_seed(0)
    return build_yolo(YoloSize.NANO, 3)


def _maps(model, height, width, seed=0):
    image = np.random.default_rng(seed).random((2, height, width, 3)).astype(np.float32)
    return [np.asarray(m) for m in model(image, training=False)]


def test_no_class():
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        build_yolo(YoloSize.NANO, 0)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (96, 64)])
def test_shapes_for_any_input(nano, height, width):
    maps = _maps(nano, height, width)
    assert [m.shape for m in maps] == [(2, height // s, width // s, 4 + 3) for s in STRIDES]
    assert all(np.isfinite(m).all() for m in maps)


def test_outputs_have_names_and_heads(nano):
    assert nano.output_names == list(OUTPUT_NAMES)
    heads = yolo_heads(3)
    assert [head.channels for head in heads] == [m.shape[-1] for m in nano.outputs]


def test_initial_scores_are_low(nano):
    for raw in _maps(nano, 64, 64):
        assert np.abs(raw[..., 4:] - math.log(0.01 / 0.99)).max() < 1.5
        assert np.abs(raw[..., :4] - 1).max() < 1.5


def test_nano_is_small(nano):
    assert 0.7e6 < nano.count_params() < 0.9e6
    assert multiply_adds(build_yolo(YoloSize.NANO, 6, input_size=(320, 320))) < 0.5e9


@pytest.mark.slow
def test_small_is_larger():
    model = build_yolo(YoloSize.SMALL, 6, input_size=(320, 320))
    assert 2.5e6 < model.count_params() < 3.0e6
    assert 1e9 < multiply_adds(model) < 1.5e9


def test_operations_by_hand():
    """3x3x3x8 weights at 4x4 positions, then 8x2 weights at as many."""
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same")(image)
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(x))
    assert multiply_adds(model) == 216 * 16 + 16 * 16


def test_operations_need_a_fixed_input_size(nano):
    with pytest.raises(ConfigError, match="fixed input size"):
        multiply_adds(nano)


@pytest.mark.slow
def test_weights_fit_every_input_size(nano):
    fixed = build_yolo(YoloSize.NANO, 3, input_size=(64, 96))
    fixed.set_weights(nano.get_weights())
    for have, want in zip(_maps(fixed, 64, 96), _maps(nano, 64, 96), strict=True):
        np.testing.assert_allclose(have, want, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_saved_and_loaded(nano, tmp_path):
    path = tmp_path / "nano.keras"
    nano.save(path)
    loaded = keras.models.load_model(path)
    for have, want in zip(_maps(loaded, 64, 64), _maps(nano, 64, 64), strict=True):
        np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize("input_size", [(320, 300), (0, 32), (16, 16)])
def test_bad_input_size(input_size):
    with pytest.raises(ConfigError, match="multiples of 32"):
        build_yolo(YoloSize.NANO, 1, input_size=input_size)


def _blind(model, cell, level):
    """Makes a network predict class 1, two cells to each side, at one cell of a level.

    Every other value is far below; weights before the last layers are kept.
    """
    for name in OUTPUT_NAMES:
        for branch in ("box", "class"):
            layer = model.get_layer(f"{name}_{branch}_out")
            kernel, bias = layer.get_weights()
            value = math.log(math.expm1(2.0)) if branch == "box" else -9.0
            layer.set_weights([kernel * 0, np.full_like(bias, value)])
    layer = model.get_layer(f"{OUTPUT_NAMES[level]}_class_out")
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel, np.where(np.arange(len(bias)) == 1, cell, bias)])


@pytest.mark.slow
def test_detector_decodes_the_maps(tmp_path):
    """At stride 32 every cell predicts class 1, two cells to each side; LiteRT agrees."""

    def build(input_size):
        model = build_yolo(YoloSize.NANO, 3, input_size=input_size)
        _blind(model, cell=3.0, level=2)
        return model

    network = YoloNetwork(yolo_heads(3), 3, stride=32, long_side=64, digest="blind", build=build)
    detector = YoloDetector(
        network,
        ("a", "b", "c"),
        settings=DetectorSettings(
            cache_dir=tmp_path, device="cpu", iou=1.0, nms_mode=NmsMode.AGNOSTIC
        ),
        digests={},
    )
    detector.start(VideoInfo("", 256, 128, fps=1, time_base=1))
    frame = Frame(np.zeros((128, 256, 3), np.uint8), index=0, time_s=0.0, source="")
    (found,) = detector.detect([frame], Stopwatch())
    # The input is 64x32: two cells, at x = 16 and 48, y = 16; boxes reach 64 pixels, times 4.
    assert found.classes.tolist() == [1, 1]
    np.testing.assert_allclose(found.scores, 1 / (1 + math.exp(-3)), rtol=1e-5)
    np.testing.assert_allclose(found.boxes, [[0, 0, 256, 128]] * 2, atol=0.01)
