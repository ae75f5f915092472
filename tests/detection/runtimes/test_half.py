"""Float16 on the XLA runtime: the same boxes as float32 to within what 11 bits can tell."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.detection.runtimes.test_runtimes import SIZE, _request
from tracker.config.build_detector import build_detector
from tracker.config.run import load_config
from tracker.detection.runtimes.base import YoloNetwork
from tracker.detection.runtimes.keras_xla import KerasXlaRuntime
from tracker.detection.yolo_detector import DetectorSettings, YoloDetector
from tracker.errors import ConfigError
from tracker.frames import Frame, VideoInfo
from tracker.inference.devices import Device
from tracker.inference.runtime_kind import RuntimeKind
from tracker.models.half import compute_in_half
from tracker.models.heads import HeadKind, YoloHead
from tracker.util.stopwatch import Stopwatch

PLAZA = Path(__file__).resolve().parents[3] / "samples" / "plaza.mp4"


def _run(request, batch):
    return KerasXlaRuntime(request, device=Device("cpu")).run(batch, Stopwatch())


def test_inner_layers_compute_in_half_and_what_makes_outputs_does_not(block_network):
    hidden, output = _two_layers().build(SIZE).layers[1:]
    network = _two_layers().build(SIZE)
    compute_in_half(network)
    assert (hidden.compute_dtype, output.compute_dtype) == ("float32", "float32")
    hidden, output = network.layers[1:]
    assert (hidden.compute_dtype, hidden.variable_dtype) == ("float16", "float32")
    assert output.compute_dtype == "float32"
    heads = block_network.build(SIZE)
    compute_in_half(heads)
    assert {layer.compute_dtype for layer in heads.layers} == {"float32"}


def _two_layers():
    """Boxes of about the anchors' size and scores of about 1/4: nothing is suppressed or clear."""

    def build(input_size):
        import keras

        def layer(filters, seed, deviation, **kwargs):
            kernel = keras.initializers.RandomNormal(stddev=deviation, seed=seed)
            return keras.layers.Conv2D(filters, 4, strides=4, kernel_initializer=kernel, **kwargs)

        image = keras.Input((*input_size, 3))
        hidden = layer(16, 1, 0.5, activation="tanh")(image)
        return keras.Model(image, layer(16, 2, 0.05)(hidden))

    head = YoloHead(HeadKind.YOLO, ((20.0, 30.0), (50.0, 20.0)), 3)
    return YoloNetwork((head,), 3, stride=16, long_side=96, digest="two layers", build=build)


@pytest.mark.slow
def test_half_equals_float32_within_its_precision():
    """All of the 24 cells' 48 boxes are there, within 1 % of their size.

    A hidden value sums 48 products of about 1/4, each off by 2^-11 of itself: 0.001 in all. An
    output sums 256 of those by weights of 0.05: 0.001 again, a thousandth of a box's size and,
    at a slope of 1/4 and strides of 16 pixels, 0.004 pixels of its centre.
    """
    batch = np.random.default_rng(0).integers(0, 256, (1, *SIZE, 3), np.uint8)
    options = {"allowed": (True,) * 3, "confidence": 0.0, "iou": 1.0}
    (exact,) = _run(_request(_two_layers(), **options), batch)
    (half,) = _run(_request(_two_layers(), half=True, **options), batch)
    assert len(exact.scores) == len(half.scores) == 48
    # Boxes of almost equal scores may change places.
    distance = np.abs(exact.boxes[:, None] - half.boxes[None]).max(axis=2)
    nearest = distance.argmin(axis=1)
    assert sorted(nearest) == list(range(48))
    size = (exact.boxes[:, 2:] - exact.boxes[:, :2]).max(axis=1)
    assert (distance.min(axis=1) < 0.01 * size).all()
    off = np.abs(exact.scores - half.scores[nearest])
    assert 0 < off.max() < 0.005  # 0: nothing was computed in half


def test_mish_of_large_values_stays_finite():
    """`exp(9)^2` is beyond float16: computed in it, 0.9 * 10 would become NaN."""
    import keras

    from tracker.models.layers import Mish

    image = keras.Input((2, 2, 1))
    convolution = keras.layers.Conv2D(1, 1, kernel_initializer="ones", name="first")
    output = keras.layers.Conv2D(1, 1, kernel_initializer="ones", name="last")
    network = keras.Model(image, output(Mish()(convolution(image))))
    compute_in_half(network)
    assert network.get_layer("first").compute_dtype == "float16"
    answer = np.asarray(network(np.full((1, 2, 2, 1), 9.0, np.float32)))
    np.testing.assert_allclose(answer, 9.0, rtol=1e-3)


@pytest.mark.slow
def test_a_detector_of_this_package_finds_the_same_people_in_half():
    from tracker.sources.files.video_file import VideoFile

    with VideoFile(PLAZA) as video:
        frame, info = next(one for one in video if one.index == 115), video.info
    found = []
    for half in (False, True):
        settings = DetectorSettings(
            runtime=RuntimeKind.XLA, device="cpu", input_size=320, confidence=0.4, half=half
        )
        detector = YoloDetector.load_builtin("nano", settings=settings)
        detector.start(info)
        found += detector.detect([frame], Stopwatch())
    exact, in_half = found
    assert len(exact) == len(in_half) > 0
    np.testing.assert_allclose(exact.scores, in_half.scores, atol=0.01)
    np.testing.assert_allclose(exact.boxes, in_half.boxes, atol=0.005 * max(info.width, 1))
    assert not np.array_equal(exact.boxes, in_half.boxes)


@pytest.mark.parametrize("runtime", [RuntimeKind.LITERT, RuntimeKind.AUTO])
def test_litert_has_no_half(block_files, runtime):
    cfg, weights = block_files
    settings = DetectorSettings(runtime=runtime, device="cpu", half=True)
    detector = YoloDetector.load(cfg, weights=weights, names=("red", "green"), settings=settings)
    info = VideoInfo("blocks", 96, 64, Fraction(25), Fraction(1, 25))
    with pytest.raises(ConfigError, match=r"expected a GPU, .* --detector small-int8"):
        detector.start(info)


@pytest.mark.slow
def test_half_reaches_the_network_of_a_cfg(block_files):
    cfg, weights = block_files
    settings = DetectorSettings(runtime=RuntimeKind.XLA, device="cpu", half=True)
    detector = YoloDetector.load(cfg, weights=weights, names=("red", "green"), settings=settings)
    detector.start(VideoInfo("blocks", 96, 64, Fraction(25), Fraction(1, 25)))
    image = np.zeros((64, 96, 3), np.uint8)
    image[16:24, 24:32, 0] = 255
    (found,) = detector.detect([Frame(image, 0, 0.0, "blocks")], Stopwatch())
    np.testing.assert_allclose(found.boxes, [[24, 16, 32, 24]], atol=1e-3)


@pytest.mark.parametrize(
    "words",
    [
        ["detector.name=motion"],
        ["detector.name=fcn", "detector.weights=windows.keras"],
        ["detector.detections=out.jsonl"],
        ["detector.name=network.onnx"],
        ["detector.name=kerashub:dfine_small_coco"],
    ],
)
def test_what_is_no_network_of_this_package_has_no_half(words):
    config = load_config(None, [*words, "detector.network.half=true"])
    with pytest.raises(ConfigError, match=r"detector.network.half: .* leave half out"):
        build_detector(config)
