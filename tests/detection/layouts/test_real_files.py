"""Real networks: found by themselves, decoded as a plain decoder of all cells does it."""

import importlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.detection.layouts.given import spec
from tracker.detection.default_names import COCO_NAMES
from tracker.detection.image_input import image_batch, image_geometry
from tracker.detection.layouts.all import find_layout
from tracker.detection.layouts.base import Candidates, Layout
from tracker.detection.load import load_model
from tracker.detection.yolo_detector import DetectorSettings
from tracker.frames import Frame, VideoInfo
from tracker.inference.network import AxisOrder, TensorSpec
from tracker.util.opencv import cv2

DATA = Path(__file__).parents[4] / "shared" / "data"
IMAGE = DATA / "detection" / "coco256" / "images" / "train2017" / "000000000036.jpg"


def read_coco_image() -> np.ndarray:
    if not IMAGE.is_file():
        pytest.skip("coco256 is not in shared/data")
    return cv2.cvtColor(cv2.imread(str(IMAGE)), cv2.COLOR_BGR2RGB)


def weights(*parts: str) -> str:
    path = DATA.joinpath("weights", *parts)
    if not path.is_file():
        pytest.skip(f"{path.name} is not in shared/data")
    return str(path)


def run_onnx(path: str) -> tuple[Layout, list[np.ndarray], list[TensorSpec], tuple[int, int]]:
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    options = runtime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs, specs = (
        [spec(node.name, *node.shape) for node in nodes]
        for nodes in (session.get_inputs(), session.get_outputs())
    )
    layout = find_layout(inputs, specs)
    wanted = layout.image_input(inputs[0])
    assert wanted.size is not None
    image = read_coco_image()
    geometry = image_geometry(image.shape[:2], wanted, wanted.size)
    batch = image_batch([image], [geometry], wanted)
    return layout, session.run(None, {inputs[0].name: batch}), specs, wanted.size


def plain_nanodet(outputs: list[np.ndarray], side: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and scores of all cells, in float64, cell by cell."""
    flat = sorted((o.reshape(-1, o.shape[-1]) for o in outputs), key=len, reverse=True)
    boxes, scores = [], []
    for stride, two in zip((8, 16, 32), (flat[:2], flat[2:4], flat[4:]), strict=True):
        logits, shown = sorted(two, key=lambda array: array.shape[1])
        columns = side // stride
        for cell, row in enumerate(logits.astype(np.float64).reshape(-1, 4, 8)):
            share = np.exp(row) / np.exp(row).sum(axis=1, keepdims=True)
            left, top, right, bottom = (share * np.arange(8)).sum(axis=1) * stride
            x, y = (cell % columns + 0.5) * stride, (cell // columns + 0.5) * stride
            boxes.append([x - left, y - top, x + right, y + bottom])
        scores.append(shown)
    return np.array(boxes), np.concatenate(scores)


def plain_fastestdet(output: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and scores of all cells, in float64, cell by cell."""
    rows, columns = output.shape[2:]
    boxes, scores = [], []
    for cell, values in enumerate(output[0].reshape(output.shape[1], -1).T.astype(np.float64)):
        row, column = divmod(cell, columns)
        x, y = (column + np.tanh(values[1])) / columns, (row + np.tanh(values[2])) / rows
        width, height = 1 / (1 + np.exp(-values[3:5]))
        boxes.append([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
        scores.append(values[0] ** 0.6 * values[5:] ** 0.4)
    return np.array(boxes) * side, np.array(scores)


def check_against(found: Candidates, boxes: np.ndarray, scores: np.ndarray) -> None:
    cells, classes = np.nonzero(scores > 0.05)
    assert len(cells) > 10
    np.testing.assert_array_equal(found.classes, classes)
    np.testing.assert_allclose(found.boxes, boxes[cells], atol=2e-3)
    np.testing.assert_allclose(found.scores, scores[cells, classes], rtol=1e-4)
    assert found.classes[found.scores.argmax()] == 0  # the image shows a person
    assert found.scores.max() > 0.5


@pytest.mark.parametrize("kind", ["nanodet", "nanodet_m"])
def test_nanodet(kind: str) -> None:
    layout, outputs, specs, size = run_onnx(weights("nanodet", f"{kind}.onnx"))
    assert layout.name == "nanodet"
    assert layout.class_count(specs) == 80
    (found,) = layout.decode(outputs, specs, input_size=size, least_score=0.05)
    check_against(found, *plain_nanodet(outputs, size[0]))


def test_fastestdet() -> None:
    layout, outputs, specs, size = run_onnx(weights("fastestdet", "FastestDet.onnx"))
    assert layout.name == "fastestdet"
    assert layout.class_count(specs) == 80
    (found,) = layout.decode(outputs, specs, input_size=size, least_score=0.05)
    check_against(found, *plain_fastestdet(outputs[0], size[0]))


def test_ssd_finds_the_person_where_the_label_is() -> None:
    path = weights("ssd_mobilenet_v1", "detect.tflite")
    interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter(path)
    interpreter.allocate_tensors()
    inputs, specs = (
        [spec(d["name"], *map(int, d["shape"]), dtype=np.dtype(d["dtype"]).name) for d in details]
        for details in (interpreter.get_input_details(), interpreter.get_output_details())
    )
    layout = find_layout(inputs, specs)
    assert layout.name == "tflite-detection"
    wanted = layout.image_input(inputs[0])
    assert (wanted.size, wanted.dtype) == ((300, 300), "uint8")
    image = read_coco_image()
    geometry = image_geometry(image.shape[:2], wanted, (300, 300))
    interpreter.set_tensor(
        interpreter.get_input_details()[0]["index"], image_batch([image], [geometry], wanted)
    )
    interpreter.invoke()
    outputs = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
    (found,) = layout.decode(outputs, specs, input_size=(300, 300), least_score=0.3)
    label = IMAGE.parents[2] / "labels" / "train2017" / f"{IMAGE.stem}.txt"
    people = [row for row in np.loadtxt(label, ndmin=2) if row[0] == 0]
    assert 27 in found.classes  # her umbrella: COCO's category 28
    best = np.where(found.classes == 0, found.scores, 0).argmax()
    assert found.scores[best] > 0.5
    _, x, y, width, height = people[0]
    truth = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2]) * 300
    np.testing.assert_allclose(found.boxes[best], truth, atol=0.12 * 300)


@pytest.mark.parametrize(
    ("path", "layout", "size"),
    [
        ("nanodet_plus/nanodet-plus-m-1.5x_dynamic.onnx", "nanodet-plus", (416, 416)),
        ("nanodet_plus/nanodet-plus-m_dynamic.onnx", "nanodet-plus", (416, 416)),
        ("picodet/picodet-s-416.onnx", "picodet", (416, 416)),
        ("picodet/picodet_xs_416_processed.onnx", "picodet", (416, 416)),
        ("yolox_nano/yolox_nano.onnx", "yolox", (416, 416)),
        ("deimv2/deimv2_hgnetv2_femto_coco.onnx", "detr-deploy", (416, 416)),
        ("deimv2/deimv2_hgnetv2_atto_coco.onnx", "detr-deploy", (320, 320)),
        ("rtmdet_nano/rtmdet_nano_person.onnx", "rtmdet", (320, 256)),
    ],
)
def test_published_files_need_no_settings(path: str, layout: str, size: tuple[int, int]) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    check_without_settings(path, layout, size)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "layout"),
    [
        ("nanodet_plus/nanodet-plus-m-1.5x_416_int8.param", "nanodet-plus"),
        ("nanodet_plus/nanodet-plus-m_416.param", "nanodet-plus"),
        ("nanodet_plus/nanodet-plus-m_416_int8.param", "nanodet-plus"),
        ("picodet/picodet-s-416.param", "picodet"),
    ],
)
def test_published_ncnn_files_need_no_settings(path: str, layout: str) -> None:
    check_without_settings(path, layout, (416, 416))


@pytest.mark.slow
def test_a_published_ncnn_file_that_names_no_size_has_that_of_its_variant() -> None:
    check_without_settings("yolox_nano/yolox_nano.param", "yolox", (416, 416))


def check_without_settings(path: str, layout: str, size: tuple[int, int]) -> None:
    """Checks layout, names and input of a file, and that it finds the labelled person."""
    image = read_coco_image()  # 640 high, 481 wide
    detector = load_model(weights(*path.split("/")))
    assert detector.layout_name == layout
    assert detector.class_names == COCO_NAMES
    info = VideoInfo("test", image.shape[1], image.shape[0], Fraction(1), Fraction(1))
    detector.start(info)
    assert detector.input_size == size
    (found,) = detector.detect([Frame(image, index=0, time_s=0.0, source="test")])
    person = int(np.flatnonzero(found.classes == 0)[0])
    assert found.scores[person] > 0.5
    # The label: centre (0.67, 0.61), size (0.65, 0.73) of 481x640.
    np.testing.assert_allclose(found.boxes[person], [167, 158, 479, 628], atol=30)


def test_a_yolox_of_another_task_has_numbered_classes() -> None:
    # These two know three kinds of faces, not COCO's classes, and do not name them.
    for kind in ("float16", "int8"):
        path = weights("yolox_nano", f"yolox_nano_{kind}.tflite")
        detector = load_model(path, settings=DetectorSettings(threads=1))
        assert detector.layout_name == "yolox"
        assert detector.class_names == ("class_0", "class_1", "class_2")
        assert detector.image_input.axes is AxisOrder.NCHW
