"""Which runtime a network of others gets, and what is refused."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tracker.detection.load import load_model
from tracker.detection.runtimes.fastest import FastestNetwork
from tracker.detection.third_party_runtime import (
    on_fastest_runtime,
    open_third_party,
    runtimes_of,
)
from tracker.detection.yolo_detector import DetectorSettings
from tracker.detections import Detections
from tracker.errors import ConfigError
from tracker.frames import Frame, VideoInfo
from tracker.inference.runtime_kind import RuntimeKind
from tracker.training.datasets import read_image
from tracker.util.opencv import cv2

AUTO, ONNX, OPENVINO = RuntimeKind.AUTO, RuntimeKind.ONNX_RUNTIME, RuntimeKind.OPENVINO


@pytest.mark.parametrize(
    ("path", "asked", "expected"),
    [
        ("x.onnx", ONNX, (ONNX,)),
        ("x.onnx", OPENVINO, (OPENVINO,)),
        ("x.xml", AUTO, (OPENVINO,)),
        ("x.tflite", AUTO, (RuntimeKind.LITERT,)),
        ("x.tflite", RuntimeKind.LITERT, (RuntimeKind.LITERT,)),
        ("x.param", RuntimeKind.LITERT, (RuntimeKind.LITERT,)),
        ("folder", AUTO, ()),
        ("https://x/y", AUTO, ()),
    ],
)
def test_the_format_and_the_user_choose(path, asked, expected):
    assert runtimes_of(path, DetectorSettings(runtime=asked)) == expected


def test_an_ncnn_network_runs_on_tensorflow_where_a_gpu_is_asked_for():
    assert runtimes_of("x.param", DetectorSettings(device="cpu")) == (RuntimeKind.LITERT,)
    assert runtimes_of("x.param", DetectorSettings(device="gpu")) == ()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("x.onnx", "--weights w.bin: x.onnx contains its weights; leave it out"),
        ("x.xml", r"--weights w.bin: x.xml takes its weights from the \.bin of its name; leave"),
    ],
)
def test_weights_are_for_ncnn_alone(path, message):
    with pytest.raises(ConfigError, match=message):
        open_third_party(path, DetectorSettings(), weights="w.bin")


def test_auto_has_a_choice_where_both_are_installed():
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("openvino", reason="needs the extra openvino")
    assert runtimes_of("x.onnx", DetectorSettings(device="cpu")) == (ONNX, OPENVINO)
    assert runtimes_of("x.onnx", DetectorSettings(device="gpu")) == (ONNX,)


@pytest.mark.parametrize(
    ("path", "asked", "message"),
    [
        ("x.onnx", RuntimeKind.XLA, "x.onnx runs on onnxruntime or openvino; leave --runtime out"),
        ("x.xml", ONNX, "x.xml runs on openvino; leave --runtime out"),
        ("x.tflite", OPENVINO, "x.tflite runs on litert; leave --runtime out"),
        ("folder", OPENVINO, "folder runs on TensorFlow; leave --runtime out"),
    ],
)
def test_a_runtime_for_another_format(path, asked, message):
    with pytest.raises(ConfigError, match=f"^runtime {asked.value}: {message}$"):
        runtimes_of(path, DetectorSettings(runtime=asked))


def test_only_openvino_has_16_bits():
    assert runtimes_of("x.xml", DetectorSettings(half=True)) == (OPENVINO,)
    for asked in (AUTO, ONNX):
        with pytest.raises(ConfigError, match=r"half: x.onnx has no 16-bit .* runtime openvino"):
            runtimes_of("x.onnx", DetectorSettings(half=True, runtime=asked))


def test_a_gpu_does_not_run_openvino():
    settings = DetectorSettings(runtime=OPENVINO, device="gpu")
    with pytest.raises(ConfigError, match="runtime openvino runs on the CPU here, got device gpu"):
        open_third_party("x.onnx", settings)


def test_the_faster_runtime_runs_a_network(tmp_path: Path):
    onnx = pytest.importorskip("onnx", reason="making ONNX files needs the package onnx")
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("openvino", reason="needs the extra openvino")
    shape = ["batch", 3, "height", "width"]
    spec = [onnx.helper.make_tensor_value_info(name, 1, shape) for name in ("x", "y")]
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "relu", spec[:1], spec[1:])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), str(tmp_path / "x.onnx")
    )
    settings = DetectorSettings(threads=1, device="cpu", cache_dir=tmp_path / "cache")
    usual = open_third_party(tmp_path / "x.onnx", settings)
    network = on_fastest_runtime(usual, tmp_path / "x.onnx", settings)
    assert isinstance(network, FastestNetwork)
    assert (network.inputs, network.outputs) == (usual.inputs, usual.outputs)
    given = np.linspace(-1, 1, 96, dtype=np.float32).reshape(2, 3, 4, 4)
    np.testing.assert_array_equal(network.run([given])[0], np.maximum(given, 0))
    assert len(list((tmp_path / "cache").rglob("*.json"))) == 1


def street(data: Path) -> np.ndarray:
    """An image of 672x384 with several people, of OpenVINO's pedestrian detector's own size."""
    path = data / "detection" / "street_unlabelled" / "00000.jpg"
    if not path.is_file():
        pytest.skip("needs street_unlabelled in ../shared/data")
    return np.asarray(cv2.resize(read_image(path), (672, 384), interpolation=cv2.INTER_AREA))


def detected(model: Path, image: np.ndarray, settings: DetectorSettings) -> Detections:
    if not model.is_file():
        pytest.skip(f"needs {model.name} in ../shared/data")
    detector = load_model(model, settings=settings)
    height, width = image.shape[:2]
    detector.start(VideoInfo("street", width, height, Fraction(25), Fraction(1, 25)))
    (found,) = detector.detect([Frame(image, 0, 0.0, "street")])
    return found


@pytest.mark.parametrize(
    "name", ["nanodet_plus/nanodet-plus-m_dynamic.onnx", "yolox_nano/yolox_nano.onnx"]
)
def test_published_networks_find_the_same_boxes_on_both_runtimes(data: Path, name: str):
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("openvino", reason="needs the extra openvino")
    image, model = street(data), data / "weights" / name
    usual, other = (
        detected(model, image, DetectorSettings(runtime=kind, device="cpu", confidence=0.2))
        for kind in (ONNX, OPENVINO)
    )
    assert len(usual) > 2
    np.testing.assert_array_equal(usual.classes, other.classes)
    np.testing.assert_allclose(usual.boxes, other.boxes, atol=0.01)
    np.testing.assert_allclose(usual.scores, other.scores, atol=1e-4)


def test_an_ssd_of_open_model_zoo_finds_the_rows_of_its_output(data: Path):
    openvino = pytest.importorskip("openvino", reason="needs the extra openvino")
    name = "pedestrian-detection-adas-0002"
    image, model = street(data), data / "weights" / name / f"{name}.xml"
    found = detected(model, image, DetectorSettings(confidence=0.3))
    # The image has the size of the input: its pixels as they are, blue first.
    settings = {"INFERENCE_PRECISION_HINT": "f32"}  # some CPUs would take bfloat16
    compiled = openvino.Core().compile_model(str(model), "CPU", settings)
    pixels = image[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
    rows = next(iter(compiled(pixels).values()))[0, 0]
    rows = rows[(rows[:, 0] == 0) & (rows[:, 2] > 0.3)]
    rows = rows[np.argsort(-rows[:, 2], kind="stable")]
    assert len(found) == len(rows) > 0
    boxes = np.clip(rows[:, 3:], 0, 1) * np.array([672, 384, 672, 384])
    np.testing.assert_allclose(found.boxes, boxes, atol=0.01)
    np.testing.assert_allclose(found.scores, rows[:, 2], atol=1e-4)
