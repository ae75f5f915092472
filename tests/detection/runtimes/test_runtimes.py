"""Both runtimes on a network whose detections are derived by hand, and on noise."""

import logging
import math
from dataclasses import replace

import numpy as np
import pytest

from tracker.detection.nms import NmsSettings
from tracker.detection.runtimes.base import RuntimeRequest, YoloNetwork
from tracker.detection.runtimes.keras_xla import KerasXlaRuntime
from tracker.detection.runtimes.litert import LiteRtRuntime
from tracker.errors import DeviceError, ModelError
from tracker.inference.devices import Device
from tracker.models.heads import HeadKind, YoloHead
from tracker.util.stopwatch import Stopwatch

SIZE = (64, 96)


def _request(network, *, allowed=(True, True), threads=None, half=False, **nms):
    return RuntimeRequest(network, SIZE, NmsSettings(**nms), np.array(allowed), threads, half)


@pytest.fixture(scope="module")
def runtimes(block_network, cache_dir):
    request = _request(block_network)
    return {
        "litert": LiteRtRuntime(request, cache_dir=cache_dir),
        "xla": KerasXlaRuntime(request, device=Device("cpu")),
    }


@pytest.fixture(params=["litert", "xla"])
def runtime(request, runtimes):
    return runtimes[request.param]


def _blocks():
    """A red block in the cell at row 2, column 3, a green one at row 5, column 9."""
    image = np.zeros((*SIZE, 3), np.uint8)
    image[16:24, 24:32, 0] = 255
    image[40:48, 72:80, 1] = 255
    return image


def test_nothing(runtime):
    (found,) = runtime.run(np.zeros((1, *SIZE, 3), np.uint8), Stopwatch())
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == found.classes.shape == (0,)


def test_two_blocks_by_hand(runtime):
    """A block of full colour: objectness is the logistic of 40 - 10, the class that of 10 - 5."""
    watch = Stopwatch()
    (found,) = runtime.run(_blocks()[None], watch)
    score = 1 / (1 + math.exp(-(40 * 64 / 192 - 10))) / (1 + math.exp(-5))
    np.testing.assert_allclose(found.boxes, [[24, 16, 32, 24], [68, 36, 84, 52]], atol=1e-4)
    np.testing.assert_allclose(found.scores, [score, score], rtol=1e-5)
    assert found.classes.tolist() == [0, 1]
    assert watch.seconds["infer"] > 0


def test_batch_equals_single_images(runtime):
    random = np.random.default_rng(5)
    batch = np.stack([_blocks(), random.integers(0, 256, (*SIZE, 3), np.uint8), _blocks() // 2])
    together = runtime.run(batch, Stopwatch())
    smaller = runtime.run(batch[:2], Stopwatch())  # filled up to three by XLA
    assert (len(together), len(smaller)) == (3, 2)
    for image, *results in zip(batch[:2], together[:2], smaller, strict=True):
        (alone,) = runtime.run(image[None], Stopwatch())
        for found in results:
            np.testing.assert_allclose(found.boxes, alone.boxes, atol=1e-4)
            np.testing.assert_allclose(found.scores, alone.scores, rtol=1e-5)
            np.testing.assert_array_equal(found.classes, alone.classes)


def test_results_outlive_the_next_image(runtime):
    (first,) = runtime.run(_blocks()[None], Stopwatch())
    before = first.boxes.copy()
    runtime.run(np.full((1, *SIZE, 3), 255, np.uint8), Stopwatch())
    np.testing.assert_array_equal(first.boxes, before)


def _noise_network():
    """Random weights: hundreds of overlapping boxes of all sizes."""

    def build(input_size):
        import keras

        def layer(filters, seed, **kwargs):
            kernel = keras.initializers.RandomNormal(stddev=0.5, seed=seed)
            return keras.layers.Conv2D(filters, 4, strides=4, kernel_initializer=kernel, **kwargs)

        image = keras.Input((*input_size, 3))
        hidden = layer(16, 1, activation="tanh")(image)
        return keras.Model(image, layer(16, 2)(hidden))  # one output, not a list

    head = YoloHead(HeadKind.YOLO, ((20.0, 30.0), (50.0, 20.0)), 3, scale_x_y=1.05)
    return YoloNetwork((head,), 3, stride=16, long_side=96, digest="noise", build=build)


@pytest.mark.slow
def test_litert_equals_xla_on_noise(cache_dir):
    """Same boxes in the same order; a class that is not allowed is gone before the cut."""
    request = _request(
        _noise_network(), allowed=(True, False, True), confidence=0.1, max_detections=20
    )
    litert = LiteRtRuntime(replace(request, threads=1), cache_dir=cache_dir)
    xla = KerasXlaRuntime(request, device=Device("auto"))
    batch = np.random.default_rng(0).integers(0, 256, (4, *SIZE, 3), np.uint8)
    counts = []
    for one, other in zip(litert.run(batch, Stopwatch()), xla.run(batch, Stopwatch()), strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, rtol=1e-4, atol=1e-2)
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-4)
        np.testing.assert_array_equal(one.classes, other.classes)
        assert 1 not in one.classes
        counts.append(len(one.scores))
    assert min(counts) > 3


def test_export_is_silent_and_made_once(block_network, tmp_path, capfd, caplog):
    caplog.set_level(logging.WARNING)
    for _ in range(2):
        LiteRtRuntime(_request(block_network), cache_dir=tmp_path)
    assert len(list(tmp_path.rglob("*.tflite"))) == 1
    assert capfd.readouterr().err == ""
    assert caplog.text == ""


def test_damaged_cache_is_repaired(block_network, tmp_path, caplog):
    LiteRtRuntime(_request(block_network), cache_dir=tmp_path)
    (path,) = tmp_path.rglob("*.tflite")
    path.write_bytes(path.read_bytes()[:100])
    runtime = LiteRtRuntime(_request(block_network), cache_dir=tmp_path)
    assert len(runtime.run(_blocks()[None], Stopwatch())[0].scores) == 2
    assert "damaged" in caplog.text


def test_operation_that_litert_does_not_know(tmp_path):
    def build(input_size):
        import keras

        image = keras.Input((*input_size, 3))
        number = keras.ops.cast(image, "int32")
        return keras.Model(image, keras.ops.cast(keras.ops.bitwise_and(number, number), "float32"))

    network = YoloNetwork((), 1, stride=8, long_side=96, digest="odd", build=build)
    with pytest.raises(ModelError, match="try runtime xla"):
        LiteRtRuntime(_request(network), cache_dir=tmp_path)


def test_gpu_that_is_not_there(block_network):
    with pytest.raises(DeviceError, match=r"GPU 99 is not available: .*try device cpu"):
        KerasXlaRuntime(_request(block_network), device=Device("gpu", 99))
