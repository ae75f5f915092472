"""Teachers: wrappers against scripted teachers, real models."""

from pathlib import Path

import numpy as np
import pytest

from tracker.detection.default_names import COCO_NAMES
from tracker.detections import Detections
from tracker.errors import ModelError
from tracker.inference.onnx_network import onnx_session
from tracker.training.datasets import read_image
from tracker.training.teachers import (
    FastestDetTeacher,
    Mirrored,
    NanoDetTeacher,
    Teacher,
    Tiled,
)
from tracker.training.teachers_yolo import DarknetTeacher

SHARED = Path(__file__).parents[3] / "shared" / "data"


class Bright:
    """Finds the white rectangle in a picture; class 0."""

    name = "bright"
    class_names = ("thing",)

    def detect(self, image: np.ndarray) -> Detections:
        y, x = np.nonzero(image[..., 0] > 128)
        if not len(x):
            return Detections.empty()
        return Detections.create([[x.min(), y.min(), x.max() + 1, y.max() + 1]], [0.5])


def rectangle(x1: int, y1: int, x2: int, y2: int) -> np.ndarray:
    image = np.zeros((40, 100, 3), np.uint8)
    image[y1:y2, x1:x2] = 255
    return image


def test_mirrored_boxes_come_back_in_the_picture() -> None:
    assert len(Mirrored(Bright()).detect(rectangle(0, 0, 0, 0))) == 0
    found = Mirrored(Bright()).detect(rectangle(10, 5, 30, 35))
    np.testing.assert_array_equal(found.boxes, [[10, 5, 30, 35]])


def test_tiles_shift_boxes_and_see_a_shared_one_once() -> None:
    tiled = Tiled(Bright(), columns=2, overlap=0.5)  # 0 to 67 and 33 to 100
    np.testing.assert_array_equal(tiled.detect(rectangle(40, 5, 60, 35)).boxes, [[40, 5, 60, 35]])
    np.testing.assert_array_equal(tiled.detect(rectangle(80, 5, 100, 40)).boxes, [[80, 5, 100, 40]])


def test_tiles_leave_out_what_their_border_cuts() -> None:
    tiled = Tiled(Bright(), columns=2, overlap=0.5)
    assert len(tiled.detect(rectangle(10, 5, 90, 35))) == 0
    # Cut by the second tile's border at 33, whole in the first.
    np.testing.assert_array_equal(tiled.detect(rectangle(20, 5, 50, 35)).boxes, [[20, 5, 50, 35]])


def test_a_broken_model_file_is_told(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    (tmp_path / "a.onnx").write_text("no model")
    with pytest.raises(ModelError, match=r"a\.onnx"):
        onnx_session(tmp_path / "a.onnx", threads=1)


def people_found(teacher: Teacher) -> tuple[int, int]:
    """Found and all large people on three pictures of coco256/train2017."""
    labels = SHARED / "detection" / "coco256" / "labels" / "train2017"
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
    "kind", ["nanodet_m", "nanodet", "FastestDet", pytest.param("yolo", marks=pytest.mark.slow)]
)
def test_real_teachers_find_large_people(kind: str) -> None:
    weights = SHARED / "weights"
    if not weights.is_dir():
        pytest.skip("the weights are not in shared/data")
    if kind != "yolo":
        pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    teacher: Teacher
    if kind == "FastestDet":
        teacher = FastestDetTeacher(weights / "fastestdet" / "FastestDet.onnx")
    elif kind == "yolo":
        folder = weights / "yolo-fastest" / "yolo-fastest-1.1_coco"
        teacher = DarknetTeacher(folder / "yolo-fastest-1.1.cfg", long_side=320)
    else:
        teacher = NanoDetTeacher(weights / "nanodet" / f"{kind}.onnx")
    assert teacher.class_names == COCO_NAMES
    found, total = people_found(teacher)
    assert total >= 3
    assert found >= 0.6 * total
