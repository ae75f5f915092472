"""Exports with a task: the numbers of a detector are cut out, and their boxes checked by hand."""

import numpy as np
import pytest

from tests.detection.layouts.given import check, decode, nchw, nhwc, spec
from tracker.detection.layouts.all import find_layout
from tracker.detection.layouts.tasks import TaskLayout, find_task_layout
from tracker.detection.layouts.yolo import YoloColumns
from tracker.errors import ModelError
from tracker.inference.network import TensorSpec
from tracker.inference.stored_names import NOTHING_STORED, StoredFacts

PERSON = ("person",)
POSE = StoredFacts(PERSON, "pose", 51)
MAPS = spec("output1", 1, 32, 160, 160)
MAPS_LAST = spec("output1", 1, 160, 160, 32)


@pytest.mark.parametrize(
    ("inputs", "outputs", "stored", "name", "extra", "classes"),
    [
        (nchw(), [spec("o", 1, 56, 8400)], POSE, "yolov8", 51, 1),
        (nchw(), [spec("o", 1, 56, 8400)], StoredFacts(PERSON, "pose"), "yolov8", 51, 1),
        (nhwc(), [spec("o", 1, 56, 8400)], POSE, "yolov8-normalised", 51, 1),
        (nchw(), [spec("o", 1, 300, 57)], POSE, "end-to-end", 51, None),
        (nchw(), [spec("o", 1, 116, 8400), MAPS], StoredFacts(None, "segment"), "yolov8", 32, 80),
        (nchw(), [MAPS, spec("o", 1, 116, 8400)], StoredFacts(None, "segment"), "yolov8", 32, 80),
        (nchw(), [spec("o", 1, 25200, 117), MAPS], StoredFacts(None, "segment"), "yolov5", 32, 80),
        (
            *(nhwc(), [spec("o", 1, 116, 8400), MAPS_LAST], StoredFacts(None, "segment")),
            *("yolov8-normalised", 32, 80),
        ),
        (
            nchw(),
            [spec("o", 1, 300, 38), MAPS],
            StoredFacts(None, "segment"),
            "end-to-end",
            32,
            None,
        ),
        (nchw(), [spec("o", 1, 20, 8400)], StoredFacts(None, "obb"), "yolov8", 1, 15),
    ],
)
def test_the_task_is_believed(
    inputs: list[TensorSpec],
    outputs: list[TensorSpec],
    stored: StoredFacts,
    name: str,
    extra: int,
    classes: int | None,
) -> None:
    layout = find_task_layout(inputs, outputs, stored)
    assert isinstance(layout, TaskLayout)
    assert (layout.name, layout.extra, layout.class_count(outputs)) == (name, extra, classes)
    assert find_task_layout(inputs, outputs, stored, name=name) == layout


def test_without_a_task_shapes_tell() -> None:
    for task in (None, "detect", "object-detection", "tracking"):
        stored = StoredFacts(PERSON, task)
        outputs = [spec("o", 1, 84, 8400)]
        assert find_task_layout(nchw(), outputs, stored) == find_layout(nchw(), outputs)
    assert find_task_layout(nchw(), outputs, NOTHING_STORED).name == "yolov8"


@pytest.mark.parametrize(
    ("outputs", "task", "message"),
    [
        ([spec("o", 1, 1000)], "classify", "task=classify, which finds no boxes; expected a det"),
        ([spec("o", 1, 84, 8400)], "classify", "task=classify, which finds no boxes"),
        ([spec("o", 1, 300, 7)], "obb", "after suppression in the network, which are not supp"),
        ([spec("o", 1, 56, 8401)], "pose", "task=pose, and the outputs .* fit none of the layouts"),
        ([spec("o", 1, 52, 8400)], "pose", "task=pose, and the outputs .* fit none of the layouts"),
        (
            [spec("o", 1, None, None)],
            "obb",
            "may be of the layouts end-to-end, yolov5, yolov8; say which with detector.model.",
        ),
    ],
)
def test_what_cannot_be_read_is_one_line(
    outputs: list[TensorSpec], task: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        find_task_layout(nchw(), outputs, StoredFacts(PERSON, task, 51))
    assert "\n" not in str(caught.value)


def test_boxes_of_a_pose() -> None:
    columns = np.zeros((1, 4 + 1 + 6, 84), np.float32)
    columns[0, :5, 3] = [20, 30, 10, 20, 0.9]
    columns[0, 5:, :] = 50  # keypoints in pixels, which no score is
    (found,) = decode(TaskLayout(YoloColumns(), "pose", 6), [columns])
    check(found, [[15, 20, 25, 40]], [0.9], [0])


@pytest.mark.parametrize(
    ("angle", "box"),
    [
        (0, [10, 25, 50, 35]),
        (np.pi / 2, [25, 10, 35, 50]),
        # (40 + 10) / sqrt(2) = 35.355 wide and high.
        (np.pi / 4, [12.3223, 12.3223, 47.6777, 47.6777]),
        (-np.pi / 4, [12.3223, 12.3223, 47.6777, 47.6777]),
    ],
)
def test_a_rotated_box_becomes_the_upright_one_around_it(angle: float, box: list[float]) -> None:
    columns = np.zeros((1, 4 + 2 + 1, 84), np.float32)
    columns[0, :, 7] = [30, 30, 40, 10, 0.1, 0.8, angle]
    (found,) = decode(TaskLayout(YoloColumns(), "obb", 1), [columns])
    check(found, [box], [0.8], [1])


def test_rotated_boxes_in_shares_turn_in_pixels() -> None:
    from tracker.detection.layouts.yolo import BoxUnit

    columns = np.zeros((1, 4 + 1 + 1, 168), np.float32)
    # 40 x 10 pixels in an input of 128 x 64, upright after a quarter turn: 10 x 40.
    columns[0, :, 7] = [0.5, 0.5, 40 / 128, 10 / 64, 0.8, np.pi / 2]
    layout = TaskLayout(YoloColumns("yolov8-normalised", unit=BoxUnit.SHARES), "obb", 1)
    (found,) = decode(layout, [columns], size=(64, 128))
    check(found, [[59, 12, 69, 52]], [0.8], [0])


def test_masks_are_left_unread() -> None:
    columns = np.zeros((1, 4 + 1 + 32, 84), np.float32)
    columns[0, :5, 3] = [20, 30, 10, 20, 0.9]
    columns[0, 5:, :] = 3
    layout = TaskLayout(YoloColumns(), "segment", 32)
    (found,) = decode(layout, [np.zeros((1, 32, 16, 16), np.float32), columns])
    check(found, [[15, 20, 25, 40]], [0.9], [0])
    assert found.masks is None


def test_other_arrays_than_declared_are_one_line() -> None:
    layout = TaskLayout(YoloColumns(), "pose", 51)
    for array in (np.zeros((1, 51, 84)), np.zeros((51, 84))):
        with pytest.raises(ModelError, match="and 51 numbers of pose behind them, got "):
            layout.decode([array], [spec("o", 1, 56, 84)], input_size=(64, 64), least_score=0.2)
