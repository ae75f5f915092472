"""From a file to a detector: networks of any shape, and one line for those that are wrong."""

import hashlib
import logging
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.detection.block_forms import write_onnx
from tests.detection.conftest import block_convolution
from tracker.detection.default_names import COCO_NAMES, COCO_PAPER_NAMES
from tracker.detection.layouts.all import LAYOUTS
from tracker.detection.load import load_model
from tracker.detection.model_choice import InputChoice, ModelChoice
from tracker.detection.model_detector import ModelDetector
from tracker.detection.yolo_detector import DetectorSettings
from tracker.detections import Detections
from tracker.errors import ConfigError, ModelError
from tracker.frames import Frame, VideoInfo
from tracker.inference.network import ColourOrder
from tracker.inference.runtime_kind import RuntimeKind
from tracker.registry.builtin import detector_files
from tracker.util.stopwatch import Stopwatch

onnx = pytest.importorskip("onnx", reason="making ONNX files needs the package onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

NAMES = ("red", "green")
YOLOV8 = ModelChoice("yolov8")
BOXES = [[24, 14, 32, 22], [72, 38, 80, 46]]
KINDS = {"float32": 1, "float16": 10, "int64": 7}
"""Numbers of element types in ONNX files."""


def write_graph(
    path: Path,
    nodes: list[tuple],
    inputs: Mapping[str, list[int | str]],
    outputs: Mapping[str, list[int | str]],
    values: Mapping[str, np.ndarray],
    *,
    dtype: str = "float32",
) -> Path:
    """Writes an ONNX network; a node is its operation, its inputs, its output and attributes.

    Args:
        path: Where to.
        nodes: The operations, in order.
        inputs: Declared shapes by name, a word for a side that may vary.
        outputs: The same of the outputs.
        values: Constants by name.
        dtype: Of inputs and outputs.
    """
    helper, kind = onnx.helper, KINDS[dtype]
    graph = helper.make_graph(
        [
            helper.make_node(operation, names[:-1], [names[-1]], **attributes)
            for operation, *names, attributes in nodes
        ],
        "test",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs.items()],
        [onnx.numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def write_constant(
    path: Path,
    outputs: Mapping[str, np.ndarray],
    *,
    inputs: Mapping[str, list[int | str]] | None = None,
    dtype: str = "float32",
) -> Path:
    """Writes an ONNX network that always gives the same.

    Args:
        path: Where to.
        outputs: What it gives, by name.
        inputs: What it says that it takes; `None` for images of 96x64.
        dtype: Of inputs and outputs.
    """
    return write_graph(
        path,
        [("Identity", f"value_{name}", name, {}) for name in outputs],
        {"images": [1, 3, 64, 96]} if inputs is None else inputs,
        {name: list(value.shape) for name, value in outputs.items()},
        {f"value_{name}": value.astype(dtype) for name, value in outputs.items()},
        dtype=dtype,
    )


def write_blocks(
    path: Path,
    *,
    shape: tuple[int | str, ...] = ("batch", 3, "height", "width"),
    dtype: str = "float32",
    factor: float = 1,
    last: tuple = ("Identity", "columns", "result", {}),
) -> Path:
    """Writes the network of `block_forms` for images of any size, outputs as YOLOv8's.

    Args:
        path: Where to.
        shape: What it says that it takes.
        dtype: Of inputs and outputs; it computes in float32.
        factor: What all outputs are multiplied by.
        last: The node that makes `result` of `columns`; what is declared stays as it was.
    """
    kernel, bias = block_convolution()
    numbers = {"flat": [0, 6, -1], "c0": [0], "c1": [1], "c3": [3], "axis": [1]}
    values = {
        "kernel": np.ascontiguousarray(kernel[..., 4:].transpose(3, 2, 0, 1)),
        "bias": bias[4:],
        **{name: np.array(value, np.int64) for name, value in numbers.items()},
        **{f"along_{axis}": np.array(axis, np.int64) for axis in (2, 3)},
        "zero": np.float32([0]), "one": np.float32([1]), "half": np.float32([0.5]),
        "eight": np.float32([8]), "factor": np.float32([factor]),
    }  # fmt: skip
    nodes = [
        ("Cast", "images", "pixels", {"to": KINDS["float32"]}),
        ("Conv", "pixels", "kernel", "bias", "map", {"strides": [8, 8]}),
        ("Sigmoid", "map", "shares", {}),
        ("Slice", "shares", "c0", "c1", "axis", "objectness", {}),
        ("Slice", "shares", "c1", "c3", "axis", "classes", {}),
        ("Mul", "objectness", "classes", "scores", {}),
        # Cells are counted by adding up ones: 1, 2, 3, ...; their middles are half a cell before.
        ("Mul", "objectness", "zero", "nothing", {}),
        ("Add", "nothing", "one", "ones", {}),
        ("CumSum", "ones", "along_3", "right", {}),
        ("CumSum", "ones", "along_2", "bottom", {}),
        ("Sub", "right", "half", "column", {}),
        ("Sub", "bottom", "half", "row", {}),
        ("Concat", "column", "row", "ones", "ones", "cells", {"axis": 1}),
        ("Mul", "cells", "eight", "boxes", {}),
        ("Concat", "boxes", "scores", "all", {"axis": 1}),
        ("Reshape", "all", "flat", "columns", {}),
        last,
        ("Mul", "result", "factor", "product", {}),
        ("Cast", "product", "output0", {"to": KINDS[dtype]}),
    ]
    inputs, outputs = {"images": list(shape)}, {"output0": [shape[0], 6, "cells"]}
    return write_graph(path, nodes, inputs, outputs, values, dtype=dtype)


def scene(*, flipped: bool = False) -> np.ndarray:
    """An image of 96x60 with a red and a green block of 8x8; flipped, its sides are swapped."""
    image = np.zeros((60, 96, 3), np.uint8)
    image[14:22, 24:32, 0] = 255
    image[38:46, 72:80, 1] = 255
    return np.ascontiguousarray(image.transpose(1, 0, 2)) if flipped else image


def detected(detector: ModelDetector, *images: np.ndarray) -> list[Detections]:
    height, width = images[0].shape[:2]
    detector.start(VideoInfo("test", width, height, fps=Fraction(25), time_base=Fraction(1, 25)))
    frames = [Frame(image, index=n, time_s=0.0, source="test") for n, image in enumerate(images)]
    return detector.detect(frames, Stopwatch())


def check(found: Detections, boxes: list[list[int]], classes: list[int]) -> None:
    order = np.argsort(found.boxes[:, 0])
    np.testing.assert_allclose(found.boxes[order], boxes, atol=0.01)
    assert found.classes[order].tolist() == classes


def one_line(caught: pytest.ExceptionInfo) -> str:
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 700
    return message


def test_a_network_for_any_batch_and_any_size(tmp_path: Path) -> None:
    path = write_blocks(tmp_path / "any.onnx")
    settings = DetectorSettings(input_size=96, threads=1)
    detector = load_model(path, names=NAMES, choice=YOLOV8, settings=settings)
    assert detector.image_input.size is None
    nothing, one, two = detected(detector, np.zeros((60, 96, 3), np.uint8), scene(), scene())
    assert len(nothing) == 0
    assert detector.input_size == (64, 96)
    check(one, BOXES, [0, 1])
    check(two, BOXES, [0, 1])
    # The frame lies two columns right of the input's edge now.
    (upright,) = detected(detector, scene(flipped=True))
    assert detector.input_size == (96, 64)
    check(upright, [[14, 24, 22, 32], [38, 72, 46, 80]], [0, 1])
    assert detector.digests == {"any.onnx": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_a_chosen_size_and_a_chosen_input(tmp_path: Path) -> None:
    path = write_blocks(tmp_path / "any.onnx")
    swapped = InputChoice(size=(64, 96), colours=ColourOrder.BGR)
    detector = load_model(path, names=("blue", "green"), choice=ModelChoice("yolov8", swapped))
    assert detector.image_input.size == (64, 96)
    check(detected(detector, scene())[0], BOXES[1:], [1])
    check(detected(detector, scene()[..., ::-1].copy())[0], BOXES, [0, 1])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_network_in_numbers_of_any_length(tmp_path: Path, dtype: str) -> None:
    path = write_blocks(tmp_path / "x.onnx", shape=(1, 3, 64, 96), dtype=dtype)
    detector = load_model(path, names=NAMES, choice=YOLOV8)
    assert detector.image_input.dtype == dtype
    first, second = detected(detector, scene(), np.zeros((60, 96, 3), np.uint8))
    check(first, BOXES, [0, 1])
    assert len(second) == 0


def test_names_in_the_file_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_blocks(tmp_path / "x.onnx")
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, {"names": "{0: 'red', 1: 'green'}"})
    onnx.save(model, str(path))
    assert load_model(path, choice=YOLOV8).class_names == NAMES
    assert load_model(path, choice=YOLOV8, names=("a", "b")).class_names == ("a", "b")
    (tmp_path / "x.yaml").write_text("names: [rot, gruen]\n")
    assert load_model(path, choice=YOLOV8).class_names == ("rot", "gruen")
    (tmp_path / "x.yaml").unlink()
    onnx.helper.set_model_props(model, {"names": "['red']"})
    onnx.save(model, str(path))
    assert load_model(path, choice=YOLOV8).class_names == ("red", "class_1")
    assert "no names for the classes 1: they are named class_1" in caplog.text
    onnx.helper.set_model_props(model, {"names": "['a', 'b', 'c']"})
    onnx.save(model, str(path))
    assert load_model(path, choice=YOLOV8).class_names == ("class_0", "class_1")
    assert "the file names 3 classes where the network has 2" in caplog.text


def test_names_are_those_given_or_those_beside_it_or_numbers(tmp_path: Path) -> None:
    path = write_blocks(tmp_path / "x.onnx", shape=(1, 3, 64, 96))
    settings = DetectorSettings(classes=("class_1",))
    check(detected(load_model(path, choice=YOLOV8, settings=settings), scene())[0], BOXES[1:], [1])
    (tmp_path / "x.yaml").write_text("layout: yolov8\nnames: [red, green]\n")
    assert load_model(path).class_names == NAMES
    (tmp_path / "my.names").write_text("rot\ngruen\n")
    assert load_model(path, names=tmp_path / "my.names").class_names == ("rot", "gruen")
    for names in [("red",), ("red", "green", "blue")]:
        with pytest.raises(ModelError, match=f"expected 2 as the network has, got {len(names)}"):
            load_model(path, names=names)


@pytest.mark.parametrize("layout", ["yolov8", "end-to-end"])
def test_nothing_but_nan_is_nothing_found_and_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, layout: str
) -> None:
    path = tmp_path / "x.onnx"
    if layout == "yolov8":
        write_blocks(path, shape=(1, 3, 64, 96), factor=np.nan)
    else:
        write_constant(path, {"output0": np.full((1, 5, 6), np.nan)})
    detector = load_model(path, names=NAMES, choice=ModelChoice(layout))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            (found,) = detected(detector, scene())
            assert len(found) == 0
    (record,) = (record for record in caplog.records if record.levelno >= logging.WARNING)
    assert record.getMessage().startswith("detector: all that the network gives is NaN, here and")


def test_a_mask_that_is_not_finite_is_left_out_with_its_box(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    masks = np.ones((1, 2, 2, 2))
    masks[0, 0, 1, 1] = np.nan
    outputs = {
        "detection_boxes": np.array([[[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]]]),
        "detection_classes": np.array([[1, 2]]),
        "detection_masks": masks,
        "detection_scores": np.array([[0.9, 0.8]]),
        "num_detections": np.array([2]),
    }
    detector = load_model(write_constant(tmp_path / "x.onnx", outputs))
    with caplog.at_level(logging.WARNING):
        (found,) = detected(detector, scene())
    check(found, [[48, 30, 96, 60]], [1])
    assert len(found.masks or ()) == 1
    assert "1 boxes, scores or masks are not finite" in caplog.text


def test_files_that_are_cut_short_or_something_else(tmp_path: Path) -> None:
    whole = write_blocks(tmp_path / "whole.onnx").read_bytes()
    graph = Path(detector_files("nano").exported).read_bytes()
    cases = [
        ("cut.onnx", whole[: len(whole) // 2], "cannot load it: .*; is it cut short or damaged?"),
        ("text.onnx", b"this is no network\n" * 9, "cannot load it: .*; is it cut short or damage"),
        ("cut.tflite", graph[: len(graph) // 2], "cannot load it: .*; is it cut short or damaged?"),
        ("text.tflite", b"this is no network\n" * 9, "LiteRT cannot load it: "),
        ("empty.onnx", b"", "0 bytes"),
    ]
    for name, content, message in cases:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=f"{name}: .*{message}") as caught:
            load_model(tmp_path / name)
        one_line(caught)
    with pytest.raises(ModelError, match="does not exist"):
        load_model(tmp_path / "none.onnx")


def test_an_opset_of_the_future_is_not_called_damage(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"new\.onnx: ONNX Runtime cannot load it: .*ps.?et") as it:
        load_model(write_onnx(tmp_path / "new.onnx", opset=99))
    assert "cut short" not in str(it.value)
    assert "\n" not in str(it.value)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"images": [1, 4, 64, 96]},
            r"images \(1, 4, 64, 96\) float32: .* of 4 channels; expected images of 3",
        ),
        ({"images": [1, 64, 96, 1]}, "expected images of 3 channels"),
        ({"images": [3, 64, 96]}, r"images \(3, 64, 96\) float32: expected images of 3 channels"),
        ({}, r"x\.onnx: expected a network with an input, got none"),
    ],
    ids=["four channels", "grey", "rank 3", "none"],
)
def test_inputs_that_are_no_images(
    tmp_path: Path, inputs: dict[str, list[int | str]], message: str
) -> None:
    path = write_constant(tmp_path / "x.onnx", {"o": np.zeros((1, 6, 96))}, inputs=inputs)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(path, choice=YOLOV8)
    one_line(caught)


def test_an_input_in_whole_numbers_is_refused(tmp_path: Path) -> None:
    path = write_constant(tmp_path / "x.onnx", {"o": np.zeros((1, 6, 96))}, dtype="int64")
    with pytest.raises(ModelError, match=r"int64: expected the type float32, .*; export the"):
        load_model(path, choice=YOLOV8)


def test_a_second_input_is_told_before_the_first_frame(tmp_path: Path) -> None:
    inputs: dict[str, list[int | str]] = {"images": [1, 3, 64, 96], "image_info": [1, 3]}
    path = write_constant(tmp_path / "x.onnx", {"o": np.zeros((1, 6, 96))}, inputs=inputs)
    detector = load_model(path, choice=YOLOV8, names=NAMES)
    with pytest.raises(ModelError, match=r"image_info \(1, 3\) float32: the layout yolov8 gives"):
        detected(detector, scene())


def test_outputs_of_no_known_layout_are_listed_beside_all_layouts(tmp_path: Path) -> None:
    outputs = {"prob": np.zeros((1, 1000)), "features": np.zeros((1, 7, 7, 8))}
    with pytest.raises(ModelError) as caught:
        load_model(write_constant(tmp_path / "x.onnx", outputs))
    message = one_line(caught)
    assert "prob (1, 1000) float32, features (1, 7, 7, 8) float32" in message
    assert f"{', '.join(layout.name for layout in LAYOUTS)}; docs/models.md" in message


def test_outputs_of_several_layouts_ask_for_one(tmp_path: Path) -> None:
    path = write_graph(
        tmp_path / "x.onnx",
        [("Reshape", "images", "rows", "o", {})],
        {"images": ["n", 3, "h", "w"]},
        {"o": ["n", "rows", 85]},
        {"rows": np.array([0, -1, 85])},
    )
    with pytest.raises(ModelError, match="may be of the layouts nanodet-plus, yolox, yolov5; say"):
        load_model(path)
    for name in ("yolox", "yolov5"):
        assert load_model(path, choice=ModelChoice(name)).layout_name == name


def test_rows_of_a_run_tell_the_layout_where_the_file_does_not(tmp_path: Path) -> None:
    # 320x320 pixels of 3 channels are 2400 rows of 128: no layout's number of cells.
    unknown = write_graph(
        tmp_path / "unknown.onnx",
        [("Reshape", "images", "rows", "o", {})],
        {"images": ["n", 3, "h", "w"]},
        {"o": ["n", "rows", 128]},
        {"rows": np.array([0, -1, 128])},
    )
    with pytest.raises(ModelError, match=r"o \(\?, \?, 128\) float32 may be of the layouts"):
        load_model(unknown)
    # A network whose rows do not depend on its input has those of YOLOX at 320x320.
    known = write_graph(
        tmp_path / "known.onnx",
        [("Identity", "value", "o", {})],
        {"images": ["n", 3, "h", "w"]},
        {"o": ["n", "rows", 85]},
        {"value": np.zeros((1, 2100, 85), np.float32)},
    )
    assert load_model(known).layout_name == "yolox"


def test_names_of_networks_that_tell_no_number_of_classes(tmp_path: Path) -> None:
    paper = {
        "detection_boxes": np.zeros((1, 2, 4)),
        "detection_classes": np.zeros((1, 2)),
        "detection_scores": np.zeros((1, 2)),
    }
    rows = {"output0": np.zeros((1, 5, 6))}
    for outputs, names in ((paper, COCO_PAPER_NAMES), (rows, COCO_NAMES)):
        assert load_model(write_constant(tmp_path / "x.onnx", outputs)).class_names == names


def test_layouts_that_do_not_exist_or_do_not_fit(tmp_path: Path) -> None:
    path = write_blocks(tmp_path / "x.onnx", shape=(1, 3, 64, 96))
    with pytest.raises(ConfigError, match=r"got 'yolov88'; did you mean 'yolov8'\?"):
        load_model(path, choice=ModelChoice("yolov88"))
    with pytest.raises(ModelError, match=r"the layout nanodet needs six .*, got output0 \(1, 6, "):
        load_model(path, choice=ModelChoice("nanodet"))


def test_outputs_of_another_shape_than_declared_are_told_at_the_start(tmp_path: Path) -> None:
    turn = ("Transpose", "columns", "result", {"perm": [0, 2, 1]})
    path = write_blocks(tmp_path / "x.onnx", last=turn)
    settings = DetectorSettings(input_size=96)
    detector = load_model(path, names=NAMES, choice=YOLOV8, settings=settings)
    for _ in range(2):
        with pytest.raises(
            ModelError, match=r"the layout yolov8 needs one .*\(1, 96, 6\)"
        ) as caught:
            detected(detector, scene())
        one_line(caught)


def test_settings_that_do_not_suit(tmp_path: Path) -> None:
    path = write_blocks(tmp_path / "x.onnx", shape=(1, 3, 64, 96))
    with pytest.raises(ConfigError, match=r"runtime xla: .* leave --runtime out"):
        load_model(path, choice=YOLOV8, settings=DetectorSettings(runtime=RuntimeKind.XLA))
    with pytest.raises(ConfigError, match="takes 96x64 only; leave --imgsz out"):
        load_model(path, choice=YOLOV8, settings=DetectorSettings(input_size=64))
    with pytest.raises(ConfigError, match=r"takes \(64, 96\) only, got \(32, 32\)"):
        load_model(path, choice=ModelChoice("yolov8", InputChoice(size=(32, 32))))
    with pytest.raises(ConfigError, match="threads: expected 1 to 1024, got 0"):
        load_model(path, choice=YOLOV8, settings=DetectorSettings(threads=0))
