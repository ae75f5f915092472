"""Detectors as `.tflite`: they say what the network says, at every size, and without it."""

import dataclasses
import subprocess
import sys
import zipfile
from fractions import Fraction
from pathlib import Path

import keras
import numpy as np
import pytest

from tracker.detection.export import export_detector
from tracker.detection.runtimes.base import RuntimeKind
from tracker.detection.yolo_detector import DetectorSettings, YoloDetector
from tracker.detections import Detections
from tracker.errors import ConfigError, ModelError, OutputError
from tracker.frames import Frame, VideoInfo
from tracker.inference.litert import Precision
from tracker.models.files.detector_file import (
    DetectorDescription,
    HeadStyle,
    build_detector,
    save_detector,
)
from tracker.models.files.tflite import read_exported, write_exported
from tracker.models.yolo import build_yolo
from tracker.models.yolo_shape import YoloSize
from tracker.util.stopwatch import Stopwatch

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SETTINGS = DetectorSettings(confidence=0.0, iou=1.0, threads=1, max_detections=20)


def random_images(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (90, 120, 3)).astype(np.uint8) for _ in range(count)]


@pytest.fixture(scope="module")
def keras_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keras.utils.set_random_seed(0)
    network = build_yolo(YoloSize.NANO, 2)
    # New class layers say 0.01 everywhere: let them differ from place to place.
    for layer in network.layers:
        if layer.name.endswith("class_out"):
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel * 30, bias * 0.2])
    path = tmp_path_factory.mktemp("export") / "mine.keras"
    save_detector(network, path, DetectorDescription(YoloSize.NANO, ("a", "b"), long_side=96))
    return path


@pytest.fixture(scope="module")
def exported(keras_path: Path) -> Path:
    path = keras_path.with_suffix(".tflite")
    export_detector(keras_path, path, precision=Precision.FLOAT32)
    return path


def found(detector: YoloDetector, image: np.ndarray) -> Detections:
    height, width = image.shape[:2]
    detector.start(VideoInfo("test", width, height, Fraction(1), Fraction(1)))
    frame = Frame(image, index=0, time_s=0.0, source="test")
    return detector.detect([frame], Stopwatch())[0]


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(40, 200), (90, 120)])
def test_it_says_what_the_keras_file_says(
    keras_path: Path, exported: Path, tmp_path: Path, shape: tuple[int, int]
) -> None:
    image = np.random.default_rng(2).integers(0, 256, (*shape, 3)).astype(np.uint8)
    ours = YoloDetector.load_exported(exported, settings=SETTINGS)
    reference = YoloDetector.load_keras(
        keras_path,
        settings=DetectorSettings(
            confidence=0.0, iou=1.0, threads=1, max_detections=20, cache_dir=tmp_path
        ),
    )
    one, other = found(ours, image), found(reference, image)
    assert len(one) == len(other) == 20
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
    np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-2)
    np.testing.assert_array_equal(one.classes, other.classes)
    assert ours.class_names == ("a", "b")
    assert ours.digests.keys() == {"mine.tflite"}


@pytest.mark.slow
def test_integral_detector_says_the_same_without_shuffles(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    description = DetectorDescription(
        YoloSize.NANO, ("a", "b"), 96, "shufflenet-v2-1x", style=HeadStyle.INTEGRAL
    )
    network = build_detector(description)
    for layer in network.layers:
        if layer.name.endswith(("class_out", "box_out")):
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel * 30, bias * 0.2])
    path = tmp_path / "mine.keras"
    save_detector(network, path, description)
    export_detector(path, path.with_suffix(".tflite"), precision=Precision.FLOAT32)
    picture = np.random.default_rng(2).integers(0, 256, (70, 130, 3)).astype(np.uint8)
    exported = YoloDetector.load_exported(path.with_suffix(".tflite"), settings=SETTINGS)
    reference = YoloDetector.load_keras(
        path, settings=dataclasses.replace(SETTINGS, runtime=RuntimeKind.XLA, threads=None)
    )
    got, expected = found(exported, picture), found(reference, picture)
    assert exported.input_size == (96, 96)  # 52 rows of content, stretched to 69
    np.testing.assert_allclose(got.scores, expected.scores, atol=1e-4)
    np.testing.assert_allclose(got.boxes, expected.boxes, atol=0.05)


@pytest.mark.slow
def test_one_detector_takes_one_size_after_another(exported: Path) -> None:
    detector = YoloDetector.load_exported(exported, settings=SETTINGS)
    first, wide = random_images(1)[0], np.zeros((40, 200, 3), np.uint8)
    before = found(detector, first)
    found(detector, wide)
    np.testing.assert_array_equal(found(detector, first).boxes, before.boxes)


@pytest.mark.slow
def test_half_the_bytes_change_little(keras_path: Path, exported: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.tflite"
    export_detector(keras_path, half)
    assert half.stat().st_size < 0.6 * exported.stat().st_size
    image = random_images(1)[0]
    scores = [
        found(YoloDetector.load_exported(path, settings=SETTINGS), image).scores
        for path in (half, exported)
    ]
    np.testing.assert_allclose(scores[0], scores[1], atol=0.01)


@pytest.mark.slow
def test_integers_say_nearly_the_same(keras_path: Path, exported: Path, tmp_path: Path) -> None:
    path = tmp_path / "int8.tflite"
    export_detector(keras_path, path, precision=Precision.INT8, calibration=random_images(8))
    assert path.stat().st_size < 0.4 * exported.stat().st_size
    image = random_images(1)[0]
    scores = [
        found(YoloDetector.load_exported(each, settings=SETTINGS), image).scores
        for each in (path, exported)
    ]
    np.testing.assert_allclose(scores[0], scores[1], atol=0.1)


def test_running_it_loads_no_tensorflow(exported: Path) -> None:
    program = (
        "import sys\nimport numpy as np\nfrom fractions import Fraction\n"
        "from tracker.detection.yolo_detector import YoloDetector\n"
        "from tracker.frames import Frame, VideoInfo\n"
        "from tracker.util.stopwatch import Stopwatch\n"
        f"d = YoloDetector.load_exported({str(exported)!r})\n"
        "d.start(VideoInfo('x', 96, 64, Fraction(1), Fraction(1)))\n"
        "image = np.zeros((64, 96, 3), np.uint8)\n"
        "d.detect([Frame(image, index=0, time_s=0.0, source='x')], Stopwatch())\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_integers_need_images(keras_path: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected images to calibrate with, got none"):
        export_detector(keras_path, tmp_path / "x.tflite", precision=Precision.INT8)


def test_a_gpu_needs_the_keras_file(exported: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.tflite: a \.tflite runs on LiteRT"):
        YoloDetector.load_exported(exported)._network.build((64, 64))


def test_files_that_are_no_exports(exported: Path, tmp_path: Path) -> None:
    other, cut, plain = (tmp_path / name for name in ("o.tflite", "c.tflite", "p.tflite"))
    other.write_text("something else, long enough to have a mark")
    whole = exported.read_bytes()
    cut.write_bytes(whole[:-30])
    plain.write_bytes(whole[: whole.rindex(b"PK\x03\x04")])
    for path, message in (
        (tmp_path / "none.tflite", "does not exist"),
        (other, "expected a .tflite file, got something else"),
        (cut, "cut short"),
        (plain, "expected a .tflite that `tracker export` wrote, got another one"),
    ):
        with pytest.raises(ModelError, match=message):
            YoloDetector.load_exported(path)


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "x.tflite"
    write_exported(path, b"\x00\x00\x00\x00TFL3graph", '{"format": "é"}')
    read = read_exported(path, what="detector")
    assert read.model.startswith(b"\x00\x00\x00\x00TFL3graph")
    assert read.text.decode() == '{"format": "é"}'
    assert read.format == "é"
    assert zipfile.ZipFile(path).namelist() == ["tracker.json"]
    with pytest.raises(ModelError, match=r"ends in \.tflite"):
        write_exported(tmp_path / "x.bin", b"", "")
    with pytest.raises(OutputError, match="cannot be written"):
        write_exported(tmp_path / "no" / "x.tflite", b"", "")
