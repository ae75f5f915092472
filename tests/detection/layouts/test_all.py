"""Which layout a network has: published exports, ambiguous and unknown ones, names."""

import numpy as np
import pytest

from tests.detection.layouts.given import nchw, nhwc, spec
from tracker.detection.image_input import ImageInput
from tracker.detection.layouts.all import LAYOUTS, find_layout
from tracker.errors import ConfigError, ModelError
from tracker.inference.network import TensorSpec

SIZES = spec("orig_target_sizes", None, 2, dtype="int64")

NANODET = [spec(f"c{n}", 1, n, 80) for n in (1600, 400, 100)]
NANODET += [spec(f"b{n}", 1, n, 32) for n in (1600, 400, 100)]
API = [
    spec("detection_anchor_indices", 1, 100),
    spec("detection_boxes", 1, 100, 4),
    spec("detection_classes", 1, 100),
    spec("detection_scores", 1, 100),
    spec("num_detections", 1),
]
NMS = [
    spec("nmsed_boxes", 1, 100, 4),
    spec("nmsed_classes", 1, 100),
    spec("nmsed_scores", 1, 100),
    spec("valid_detections", 1, dtype="int32"),
]
TFLITE = [
    spec("TFLite_Detection_PostProcess", 1, 10, 4),
    spec("TFLite_Detection_PostProcess:1", 1, 10),
    spec("TFLite_Detection_PostProcess:2", 1, 10),
    spec("TFLite_Detection_PostProcess:3", 1),
]
DEPLOY = [
    spec("labels", None, 300, dtype="int64"),
    spec("boxes", None, 300, 4),
    spec("scores", None, 300),
]

LABELS = spec("labels", None, None, dtype="int64")
PICODET = [
    spec(f"transpose_{number}.tmp_0", 1, cells, channels)
    for number, (cells, channels) in enumerate(
        (cells, channels) for cells in (2704, 676, 169, 49) for channels in (80, 32)
    )
]

PUBLISHED = [
    ("tf-detection", [spec("input_tensor", 1, None, None, 3, dtype="uint8")], API),
    ("tf-nms", nhwc(), NMS),
    ("tflite-detection", nhwc(300, 300), TFLITE),
    ("ssd", [spec("data", 1, 3, 384, 672)], [spec("detection_out", 1, 1, 200, 7)]),
    ("nanodet", nchw(320, 320), NANODET),
    ("nanodet-plus", nchw(416, 416), [spec("output", 1, 3598, 112)]),
    ("picodet", [spec("image", 1, 3, 416, 416)], [spec("output", 1, 3598, 112)]),
    ("picodet", nchw(416, 416), PICODET),
    ("rtmdet", nchw(None, None), [spec("dets", None, None, None), LABELS]),
    ("detr-deploy", [*nchw(), SIZES], DEPLOY),
    ("detr", nchw(), [spec("logits", None, 300, 80), spec("pred_boxes", None, 300, 4)]),
    ("rf-detr", nchw(560, 560), [spec("dets", 1, 300, 4), spec("labels", 1, 300, 91)]),
    ("end-to-end", nchw(), [spec("output0", 1, 300, 6)]),
    ("end-to-end", nhwc(), [spec("Identity", 1, 300, 6)]),
    ("yolox", nchw(416, 416), [spec("output", 1, 3549, 85)]),
    ("yolov5", nchw(), [spec("output0", 1, 25200, 85)]),
    ("yolov5", nchw(), [spec("output0", 1, 25200, 6)]),
    ("yolov5", nchw(), [spec("outputs", 1, 8400, 85)]),
    ("yolov5-normalised", nhwc(320, 320), [spec("Identity", 1, 6300, 85)]),
    ("yolov8", nchw(), [spec("output0", 1, 84, 8400)]),
    ("yolov8", nchw(None, None), [spec("output0", None, 84, None)]),
    ("yolov8-normalised", nhwc(), [spec("Identity", 1, 84, 8400)]),
    ("fastestdet", nchw(352, 352), [spec("758", 1, 85, 22, 22)]),
]


@pytest.mark.parametrize(("name", "inputs", "outputs"), PUBLISHED)
def test_published_exports_are_found(
    name: str, inputs: list[TensorSpec], outputs: list[TensorSpec]
) -> None:
    assert find_layout(inputs, outputs).name == name
    assert find_layout(inputs, outputs, name=name).name == name


def test_every_layout_is_found_by_shape_and_has_a_name_of_its_own() -> None:
    names = [layout.name for layout in LAYOUTS]
    assert len(set(names)) == len(names)
    assert {name for name, _, _ in PUBLISHED} == set(names)


def test_picodet_and_nanodet_plus_differ_by_the_names_of_paddle_alone() -> None:
    for inputs, outputs in (
        ([spec("image", 1, 3, 416, 416)], [spec("output", 1, 3598, 112)]),
        (nchw(416, 416), PICODET),
    ):
        assert find_layout(inputs, outputs).name == "picodet"
        assert find_layout(inputs, outputs, name="nanodet-plus").name == "nanodet-plus"
    assert find_layout([spec("data", 1, 3, 416, 416)], [spec("output", 1, 3598, 112)]).name == (
        "nanodet-plus"
    )


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_every_layout_keeps_the_interface(layout: object) -> None:
    name, inputs, outputs = next(row for row in PUBLISHED if row[0] == layout.name)
    assert isinstance(layout.image_input(inputs[0]), ImageInput)
    assert len(layout.extra_inputs(inputs, input_size=(64, 64))) == len(inputs) - 1
    assert layout.outputs_text
    with pytest.raises(ModelError, match=f"the layout {name} needs .*none"):
        layout.decode([], [], input_size=(64, 64), least_score=0.25)
    wrong = [np.zeros((1, 2), np.float32)] * len(outputs)
    with pytest.raises(ModelError, match=f"the layout {name} needs"):
        layout.decode(wrong, outputs, input_size=(64, 64), least_score=0.25)


@pytest.mark.parametrize(
    ("inputs", "outputs", "names"),
    [
        (nchw(None, None), [spec("o", None, None, 85)], ["nanodet-plus", "yolox", "yolov5"]),
        (nchw(), [spec("o", 1, None, 6)], ["end-to-end", "yolox", "yolov5"]),
        (
            [spec("i", 1, None, None, None)],
            [spec("o", 1, 84, 8400)],
            ["yolov8", "yolov8-normalised"],
        ),
        (nchw(), [spec("a", 1, 300, 4), spec("b", 1, 300, 91)], ["detr", "rf-detr"]),
    ],
    ids=["dynamic rows", "six columns", "unknown axes", "unnamed queries"],
)
def test_several_possible_layouts_are_named(
    inputs: list[TensorSpec], outputs: list[TensorSpec], names: list[str]
) -> None:
    with pytest.raises(ModelError) as caught:
        find_layout(inputs, outputs)
    message = str(caught.value)
    assert f"of the layouts {', '.join(names)};" in message
    assert str(outputs[0]) in message
    assert "detector.model.layout=NAME" in message
    for name in names:
        assert find_layout(inputs, outputs, name=name).name == name


@pytest.mark.parametrize(
    "outputs",
    [
        [],
        [spec("prob", 1, 1000)],
        [spec("output0", 1, 116, 8400), spec("output1", 1, 32, 160, 160)],  # segmentation
        [spec("y1", 1, 255, 13, 13), spec("y2", 1, 255, 26, 26)],
        [spec("a", 1, 9, 4), spec("b", 1, 9), spec("c", 1, 9), spec("d", 1, dtype="int32")],
    ],
    ids=["none", "classifier", "two", "maps", "unnamed suppression"],
)
def test_unknown_outputs_are_listed_beside_all_layouts(outputs: list[TensorSpec]) -> None:
    with pytest.raises(ModelError) as caught:
        find_layout(nchw(), outputs)
    message = str(caught.value)
    assert "\n" not in message
    for output in outputs:
        assert str(output) in message
    for layout in LAYOUTS:
        assert f" {layout.name}" in message
    assert "docs/models.md says what each needs" in message
    assert len(message) < 720


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"got 'yolo8'; did you mean 'yolov8'\?"):
        find_layout(nchw(), [spec("o", 1, 84, 8400)], name="yolo8")


def test_a_name_that_does_not_fit_is_told() -> None:
    message = r"the layout yolov8 needs one output .*, got o \(1, 25200, 85\) float32"
    with pytest.raises(ModelError, match=message):
        find_layout(nchw(), [spec("o", 1, 25200, 85)], name="yolov8")


def test_a_name_outweighs_what_is_likely() -> None:
    # One row a cell, but decoded in the network; pixels, though the channels come last.
    assert find_layout(nchw(), [spec("output", 1, 8400, 85)], name="yolov5").name == "yolov5"
    assert find_layout(nhwc(), [spec("o", 1, 84, 8400)], name="yolov8").name == "yolov8"
    # Fewer anchors than channels, which only the size explains.
    small = [spec("o", 1, 604, 525)]
    assert find_layout(nchw(160, 160), small, name="yolov8").name == "yolov8"
