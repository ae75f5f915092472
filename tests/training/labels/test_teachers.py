"""Detectors as teachers: a scripted one by hand, and real ones."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tracker.detection.default_names import COCO_NAMES
from tracker.detection.load import load_model
from tracker.detection.slice_grid import SliceGrid
from tracker.detection.sliced import SlicedDetector
from tracker.detection.yolo_detector import DetectorSettings, YoloDetector
from tracker.detections import Detections
from tracker.errors import ConfigError
from tracker.training.datasets import read_image
from tracker.training.labels.teachers import (
    CANDIDATES,
    DetectorTeacher,
    MirroredTeacher,
    Teacher,
    input_side,
    takes_any_size,
)

SETTINGS = DetectorSettings(
    confidence=CANDIDATES.confidence, iou=CANDIDATES.iou, max_detections=100, threads=1
)


class Scripted:
    """A detector that gives the same rows in each frame, and keeps what it was started for."""

    class_names = ("dog", "person")

    def __init__(self, *rows: tuple[list[float], float, int]) -> None:
        self._rows = rows
        self.started: list[tuple[int, int]] = []
        self.digests: dict[str, str] = {}

    def start(self, info) -> None:
        self.started.append((info.height, info.width))

    def detect(self, frames, stopwatch) -> list[Detections]:
        boxes, scores, classes = zip(*self._rows, strict=True)
        return [Detections.create(boxes, scores, np.array(classes, np.int32)) for _ in frames]


class BrightColumns:
    """A detector of one box around the bright columns of an image."""

    name, class_names = "columns", ("thing",)

    def detect(self, image: np.ndarray) -> Detections:
        columns = np.flatnonzero(image[..., 0].any(axis=0))
        return Detections.create([[columns[0], 0, columns[-1] + 1, image.shape[0]]], [0.5], [0])


def test_duplicates_of_a_detector_are_left_out_and_classes_renumbered() -> None:
    rows = [([0, 0, 10, 10], 0.9, 1), ([0, 0, 10, 9], 0.06, 1), ([0, 0, 10, 10], 0.8, 0),
            ([20, 0, 30, 10], 0.04, 1)]  # fmt: skip
    image = np.zeros((20, 40, 3), np.uint8)
    found = DetectorTeacher(lambda: Scripted(*rows), "all").detect(image)
    # The second overlaps the first by 0.9; the last is below the least score of candidates, 0.05.
    assert [(round(float(s), 2), int(c)) for s, c in zip(found.scores, found.classes, strict=True)
            ] == [(0.9, 1), (0.8, 0)]  # fmt: skip
    people = DetectorTeacher(lambda: Scripted(*rows), "people", classes=("person",))
    assert people.class_names == ("person",)
    assert people.detect(image).classes.tolist() == [0]
    with pytest.raises(ConfigError, match="it has no 'persn'; did you mean 'person'"):
        DetectorTeacher(lambda: Scripted(*rows), "none", classes=("persn",))


def test_a_detector_is_loaded_once_and_started_for_each_image() -> None:
    made = []

    def load() -> Scripted:
        made.append(Scripted(([0, 0, 10, 10], 0.9, 1)))
        return made[-1]

    teacher = DetectorTeacher(load, "one")
    for shape in ((20, 40, 3), (40, 30, 3)):
        teacher.detect(np.zeros(shape, np.uint8))
    assert [detector.started for detector in made] == [[(20, 40), (40, 30)]]


def test_a_mirrored_teacher_gives_boxes_of_the_unmirrored_image() -> None:
    image = np.zeros((8, 40, 3), np.uint8)
    image[:, 5:12] = 255
    teacher = MirroredTeacher(BrightColumns())
    assert (teacher.name, teacher.class_names) == ("columns-flip", ("thing",))
    np.testing.assert_array_equal(teacher.detect(image).boxes, [[5, 0, 12, 8]])
    assert MirroredTeacher(BrightColumns(), "own").name == "own"


def test_images_share_few_inputs_of_a_network_for_any_size() -> None:
    made: list[YoloDetector] = []

    def load() -> YoloDetector:
        made.append(YoloDetector.load_builtin("nano", settings=DetectorSettings(input_size=160)))
        return made[-1]

    teacher = DetectorTeacher(load, "nano-160")
    for height, width in ((50, 100), (60, 100), (59, 100), (75, 100), (100, 75)):
        teacher.detect(np.zeros((height, width, 3), np.uint8))
    # 3:5, 3:4 and its upright form, stretched by 4/3, in multiples of 32.
    assert [detector.input_size for detector in made] == [(128, 160), (160, 160), (160, 160)]
    assert (input_side(made[0]), takes_any_size(made[0])) == (160, True)


def test_a_builtin_detector_takes_its_size_from_the_image() -> None:
    made: list[YoloDetector] = []

    def load() -> YoloDetector:
        made.append(YoloDetector.load_builtin("nano"))
        return made[-1]

    teacher = DetectorTeacher(load, "nano")
    for width in (700, 800):
        teacher.detect(np.zeros((width * 3 // 5, width, 3), np.uint8))
    assert [max(detector.input_size) for detector in made] == [416, 512]
    assert input_side(made[0]) is None


def test_tiles_have_the_sizes_of_the_image() -> None:
    inner = Scripted(([0, 0, 10, 10], 0.9, 1))
    teacher = DetectorTeacher(lambda: SlicedDetector(inner, SliceGrid(1, 2), overlap=0.2), "tiles")
    found = teacher.detect(np.zeros((40, 90, 3), np.uint8))
    # The whole, the tiles of 90 / 1.8 pixels, and the whole again.
    assert inner.started == [(40, 90), (40, 50), (40, 90)]
    assert Fraction(found.boxes[:, 0].max().item()) == 40


def people_found(teacher: Teacher, data: Path) -> tuple[int, int]:
    """Found and all large people on three images of coco256/train2017."""
    labels = data / "detection" / "coco256" / "labels" / "train2017"
    if not labels.is_dir():
        pytest.skip("coco256 is not in shared/data")
    found = total = 0
    for name in ("000000000036", "000000000113", "000000000326"):
        path = labels.parents[1] / "images" / "train2017" / f"{name}.jpg"
        image = read_image(path)
        rows = np.loadtxt(labels / f"{name}.txt", ndmin=2)
        rows = rows[(rows[:, 0] == 0) & (rows[:, 4] > 0.4)]
        said = teacher.detect(image)
        said = said.select((said.classes == 0) & (said.scores > 0.3))
        centres = (said.boxes[:, :2] + said.boxes[:, 2:]) / 2 / image.shape[1::-1]
        for row in rows:
            near = (np.abs(centres - row[1:3]) < 0.25 * row[3:5]).all(axis=1)
            found, total = found + int(near.any()), total + 1
    return found, total


@pytest.mark.parametrize(
    ("name", "mirrored"),
    [
        ("nanodet/nanodet_m.onnx", False),
        ("nanodet/nanodet_m.onnx", True),
        ("fastestdet/FastestDet.onnx", False),
        ("nanodet_plus/nanodet-plus-m_dynamic.onnx", False),
        ("deimv2/deimv2_hgnetv2_femto_coco.onnx", False),
        ("picodet/picodet-s-416.onnx", False),
        ("yolox_nano/yolox_nano.onnx", False),
    ],
)
def test_real_teachers_find_large_people(data: Path, name: str, mirrored: bool) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    path = data / "weights" / name
    if not path.is_file():
        pytest.skip(f"{name} is not in shared/data")
    teacher: Teacher = DetectorTeacher(lambda: load_model(path, settings=SETTINGS), path.stem)
    assert teacher.class_names == COCO_NAMES
    found, total = people_found(MirroredTeacher(teacher) if mirrored else teacher, data)
    assert total >= 3
    assert found >= 0.6 * total


@pytest.mark.slow
def test_a_darknet_teacher_finds_large_people(data: Path) -> None:
    cfg = data / "weights" / "yolo-fastest" / "yolo-fastest-1.1_coco" / "yolo-fastest-1.1.cfg"
    if not cfg.is_file():
        pytest.skip("yolo-fastest is not in shared/data")
    weights = cfg.with_suffix(".weights")
    teacher = DetectorTeacher(
        lambda: YoloDetector.load(cfg, weights=weights, settings=SETTINGS), "yolo"
    )
    found, total = people_found(teacher, data)
    assert found >= 0.6 * total >= 1.8
