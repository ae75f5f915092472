"""Teachers: wrappers against scripted teachers, real models."""

from pathlib import Path

import numpy as np
import pytest

from tracker.detection.default_names import COCO_NAMES
from tracker.errors import ModelError
from tracker.inference.onnx_network import onnx_session
from tracker.training.datasets import read_image
from tracker.training.labels.teachers import (
    FastestDetTeacher,
    NanoDetTeacher,
    Teacher,
)
from tracker.training.labels.teachers_yolo import DarknetTeacher

SHARED = Path(__file__).parents[4] / "shared" / "data"


def test_a_broken_model_file_is_told(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    (tmp_path / "a.onnx").write_text("no model")
    with pytest.raises(ModelError, match=r"a\.onnx"):
        onnx_session(tmp_path / "a.onnx", threads=1)


def people_found(teacher: Teacher) -> tuple[int, int]:
    """Found and all large people on three images of coco256/train2017."""
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
