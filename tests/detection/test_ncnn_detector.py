"""An ncnn network from its two files to detections in a frame."""

import dataclasses
import shutil
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

from tests.goldens.ncnn_cases import param_text
from tracker.cli.models.report import facts_of
from tracker.config.build_detector import build_detector
from tracker.config.run import load_config
from tracker.detection.export_ncnn import export_ncnn_detector
from tracker.detection.layouts.all import find_layout
from tracker.detection.load import load_model
from tracker.detection.model_detector import ModelDetector
from tracker.detection.yolo_detector import DetectorSettings
from tracker.detections import Detections, TimedDetector
from tracker.errors import ConfigError, ModelError
from tracker.frames import Frame, VideoInfo
from tracker.inference.litert import Precision
from tracker.inference.runtime_kind import RuntimeKind
from tracker.models.ncnn.network import NcnnNetwork
from tracker.registry.models import read_registry

STRIDES = (8, 16, 32)
SIDE = 64


@pytest.fixture(scope="module")
def param(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of YOLOX's outputs: a box of one stride around the middle of every cell.

    Its score is the red of the pixel at the cell's top left corner.
    """
    parts, weights = [], b""
    for index, stride in enumerate(STRIDES):
        parts += [
            f"Convolution c{index} 1 1 image{index} map{index} 0=6 1={stride} 3={stride} 5=1 "
            f"6={6 * 3 * stride**2}",
            f"Reshape r{index} 1 1 map{index} rows{index} 0=-1 1=6",
        ]
        kernel = np.zeros((6, 3, stride, stride), np.float32)
        kernel[4, 2, 0, 0] = 1 / 255  # Objectness, from the last of blue, green and red.
        bias = np.float32([0.5, 0.5, 0, 0, 0, 1])
        weights += struct.pack("<I", 0) + kernel.tobytes() + bias.tobytes()
    text = param_text(
        "Input i 0 1 images",
        "Split s 1 3 images image0 image1 image2",
        *parts,
        "Concat c 3 1 rows0 rows1 rows2 rows 0=1",
        "Permute p 1 1 rows output 0=1",
    )
    path = tmp_path_factory.mktemp("ncnn") / "net.param"
    path.write_text(text)
    path.with_suffix(".yaml").write_text("layout: yolox\nnames: [thing]\n")
    path.with_suffix(".bin").write_bytes(weights)
    return path


DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of exports for the tests of this module."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def exported(param: Path) -> Path:
    """What `tracker export` writes."""
    path = param.with_name("exported.tflite")
    export_ncnn_detector(param, path)
    return path


def overrides(path: Path, cache: Path) -> list[str]:
    return [
        f"detector.name={path}",
        f"detector.network.cache_dir={cache}",
        f"detector.network.input_size={SIDE}",
        "detector.network.device=cpu",
    ]


def found(detector: TimedDetector, image: np.ndarray) -> Detections:
    height, width = image.shape[:2]
    detector.start(VideoInfo("test", width, height, Fraction(25), Fraction(1, 25)))
    return detector.detect([Frame(image, index=0, time_s=0.0, source="test")])[0]


def check_boxes(detector: TimedDetector, atol: float = 1e-6) -> None:
    """Checks the boxes of two bright pixels."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[24, 40, 0] = 204  # of the cell of stride 8 in row 3 and column 5, and of no other
    image[48, 16, 0] = 102  # of cells of strides 8 (row 6, column 2) and 16 (row 3, column 1)
    got = found(detector, image)
    order = np.lexsort((got.boxes[:, 2], -got.scores))
    expected = [[40, 24, 48, 32], [16, 48, 24, 56], [16, 48, 32, 64]]
    np.testing.assert_allclose(got.boxes[order], expected, atol=1e-4)
    np.testing.assert_allclose(got.scores[order], [0.8, 0.4, 0.4], atol=atol)
    assert detector.class_names == ("thing",)


def test_the_boxes_are_those_of_the_cells_that_score(param: Path, cache: Path) -> None:
    detector = build_detector(load_config(overrides=overrides(param, cache)))
    check_boxes(detector)
    assert set(detector.digests) == {"net.param", "net.bin"}


def test_the_second_run_loads_no_tensorflow(param: Path, cache: Path) -> None:
    build_detector(load_config(overrides=overrides(param, cache)))
    program = (
        "import sys\n"
        "from fractions import Fraction\n"
        "from tracker.config.build_detector import build_detector\n"
        "from tracker.config.run import load_config\n"
        "from tracker.frames import VideoInfo\n"
        f"detector = build_detector(load_config(overrides={overrides(param, cache)!r}))\n"
        "detector.start(VideoInfo('x', 64, 64, Fraction(1), Fraction(1)))\n"
        "assert detector.input_size == (64, 64)\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_gpu_is_not_for_litert(param: Path) -> None:
    config = load_config(
        overrides=[
            f"detector.name={param}",
            "detector.network.device=gpu",
            "detector.network.runtime=litert",
        ]
    )
    with pytest.raises(ConfigError, match="runtime litert: expected device auto or cpu, got gpu"):
        build_detector(config)


def test_a_layer_that_litert_lacks_runs_on_tensorflow(
    param: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "net.param"
    lines = [*param.read_text().splitlines()[2:-1], "UnaryOp a 1 1 rows near 0=14"]
    path.write_text(param_text(*lines, "Permute p 1 1 near output 0=1"))  # arc tangents
    shutil.copy(param.with_suffix(".bin"), tmp_path)
    shutil.copy(param.with_suffix(".yaml"), tmp_path)
    settings = DetectorSettings(device="cpu", cache_dir=tmp_path, runtime=RuntimeKind.LITERT)
    with pytest.raises(ModelError, match=r"export to LiteRT failed.*runs on TensorFlow only"):
        load_model(path, settings=settings)
    detector = load_model(path, settings=dataclasses.replace(settings, runtime=RuntimeKind.AUTO))
    assert "runs on TensorFlow only, and does so now" in caplog.text
    assert len(found(detector, np.full((SIDE, SIDE, 3), 255, np.uint8))) > 0


def test_an_export_has_no_int8(param: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="int8 is for detectors of this package"):
        export_ncnn_detector(param, tmp_path / "x.tflite", precision=Precision.INT8)


def test_weights_of_another_name(param: Path, cache: Path, tmp_path: Path) -> None:
    other = tmp_path / "net.param"
    shutil.copy(param, other)
    shutil.copy(param.with_suffix(".yaml"), tmp_path)
    config = load_config(overrides=overrides(other, cache))
    with pytest.raises(ModelError, match=r"net\.bin does not exist.*name them with --weights"):
        build_detector(config)
    weights = f"detector.weights={param.with_suffix('.bin')}"
    check_boxes(build_detector(load_config(overrides=[*overrides(other, cache), weights])))


def test_the_export_gives_the_same_boxes_by_itself(
    exported: Path, cache: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone.tflite"
    shutil.copy(exported, alone)
    detector = build_detector(load_config(overrides=overrides(alone, cache)))
    check_boxes(detector, atol=1e-3)  # 1/255 as float16
    assert set(detector.digests) == {"alone.tflite"}
    facts = facts_of(str(alone), read_registry())
    assert "layout    yolox" in facts
    assert "classes   thing" in facts


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["nanodet_plus/nanodet-plus-m-1.5x_416_int8", "yolox_nano/yolox_nano"]
)
def test_published_networks_give_the_same_boxes_when_exported(name: str, tmp_path: Path) -> None:
    path = DATA / "weights" / f"{name}.param"
    if not path.is_file():
        pytest.skip(f"{path.name} is not in shared/data")
    out = tmp_path / "out.tflite"
    export_ncnn_detector(path, out, precision=Precision.FLOAT32)
    settings = DetectorSettings(confidence=0.02, iou=1.0, max_detections=20, device="cpu")
    exported = load_model(out, settings=settings)
    network = NcnnNetwork(path)
    reference = ModelDetector(
        network,
        layout=find_layout(network.inputs, network.outputs, name=exported.layout_name),
        wanted=exported.image_input,
        class_names=exported.class_names,
        settings=settings,
    )
    image = np.random.default_rng(2).integers(0, 256, (90, 120, 3)).astype(np.uint8)
    got, expected = found(exported, image), found(reference, image)
    assert len(got) == len(expected) > 0
    assert exported.input_size == reference.input_size == (416, 416)
    np.testing.assert_allclose(got.scores, expected.scores, atol=1e-4)
    np.testing.assert_allclose(got.boxes, expected.boxes, atol=0.05)
    np.testing.assert_array_equal(got.classes, expected.classes)
