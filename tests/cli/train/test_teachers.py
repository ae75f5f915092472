"""Detectors opened as teachers, from their configuration."""

import sys

import numpy as np
import pytest

from tests.cli import call, failure
from tests.openvino_files import write_ssd_rows
from tests.published_forms import write_fastestdet, write_nanodet
from tracker.cli.train.labels_config import LabelConfig
from tracker.cli.train.teacher_config import TeacherConfig
from tracker.cli.train.teachers import OpenedTeacher, TeacherOptions, open_teachers
from tracker.detection.default_names import COCO_NAMES
from tracker.detection.nms import NmsSettings
from tracker.errors import ConfigError, DependencyError
from tracker.util.opencv import cv2


def opened(*entries: TeacherConfig, **options) -> tuple[OpenedTeacher, ...]:
    return open_teachers(entries, TeacherOptions(**options))


def names_of(*entries: TeacherConfig, **options) -> list[str]:
    return [one.teacher.name for one in opened(*entries, **options)]


def test_names_tell_size_mirroring_and_tiles():
    entries = [
        TeacherConfig("nano"),
        TeacherConfig("nano", size=320),
        TeacherConfig("nano", size=320, flip=True),
        TeacherConfig("nano", size=320, slices="2x2"),
        TeacherConfig("nano", flip=True, name="mine"),
    ]
    assert names_of(*entries) == ["nano", "nano-320", "nano-320-flip", "nano-320-2x2", "mine"]


def test_sizes_of_all_apply_to_teachers_without_one():
    entries = [TeacherConfig("nano"), TeacherConfig("nano", size=96)]
    assert names_of(*entries, sizes=(320, 416)) == ["nano-320", "nano-416", "nano-96"]


def test_a_mirrored_teacher_sees_the_mirrored_image():
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    entries = [TeacherConfig("nano", size=128), TeacherConfig("nano", size=128, flip=True)]
    candidates = NmsSettings(confidence=0.001, iou=0.5, max_detections=20)
    plain, flipped = (one.teacher for one in opened(*entries, candidates=candidates))
    found, wanted = flipped.detect(image), plain.detect(np.ascontiguousarray(image[:, ::-1]))
    assert len(found) == len(wanted) > 0
    np.testing.assert_allclose(found.boxes[:, 0], 128 - wanted.boxes[:, 2])
    np.testing.assert_allclose(found.boxes[:, 2], 128 - wanted.boxes[:, 0])
    np.testing.assert_array_equal(found.scores, wanted.scores)


def test_the_digest_tells_what_the_name_does_not():
    plain, people, other, own, resized = (
        one.digest
        for one in (
            *opened(TeacherConfig("nano"), TeacherConfig("nano", classes=("person",))),
            *opened(TeacherConfig("nano"), candidates=NmsSettings(0.1, 0.5, 100)),
            *opened(TeacherConfig("nano", name="a"), TeacherConfig("nano", name="a", size=96)),
        )
    )
    assert len(plain) == 64
    assert own == plain
    assert people == f'{plain} {{"classes": ["person"]}}'
    assert resized == f'{plain} {{"size": 96}}'
    assert other.startswith(f'{plain} {{"candidates": {{"confidence": 0.1')


def test_a_teacher_may_vote_on_some_classes_alone():
    (one,) = opened(TeacherConfig("nano", classes=("car", "person"), weight=2.5))
    assert one.teacher.class_names == ("car", "person")
    assert one.weight == 2.5
    with pytest.raises(ConfigError, match="teacher nano: classes: it has no 'cra'; did you mean"):
        opened(TeacherConfig("nano", classes=("cra",)))


def test_a_builtin_detector_labels_on_the_command_line(tmp_path, capsys):
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), image)
    teachers = "teachers=[{detector: nano, size: 128}, {detector: nano, size: 128, flip: true}]"
    words = ["--pictures", tmp_path / "in", "--out", tmp_path / "out", "--no-progress"]
    code = call("train", "labels", *words, "--set", teachers, "--set", "soft=true")
    assert code == 0
    assert capsys.readouterr().out.startswith("1 image: ")
    found = sorted(path.name for path in (tmp_path / "out" / "found").iterdir())
    assert found == ["nano-128", "nano-128-flip"]


def test_a_library_that_is_not_installed_is_named(tmp_path, monkeypatch):
    for name in ("a.xml", "a.bin", "a.onnx"):
        (tmp_path / name).write_text("no model")
    # None marks a module that cannot be imported.
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DependencyError, match=r"tracker-pipeline\[openvino\]"):
        opened(TeacherConfig(str(tmp_path / "a.xml")))
    with pytest.raises(DependencyError, match=r"tracker-pipeline\[onnx\]"):
        opened(TeacherConfig(str(tmp_path / "a.onnx")))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_keras_detector_as_teacher(tmp_path, capsys, monkeypatch):
    from tracker.models.files.detector_file import DetectorDescription, save_detector
    from tracker.models.yolo import build_yolo
    from tracker.models.yolo_shape import YoloSize

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    description = DetectorDescription(YoloSize.NANO, ("thing", "car"), long_side=64)
    network = build_yolo(YoloSize.NANO, 2)
    save_detector(network, tmp_path / "mine.keras", description)
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.zeros((20, 40, 3), np.uint8))
    words = ["--pictures", folder, "--teacher", tmp_path / "mine.keras", "--out", out]
    assert call("train", "labels", *words, "--size", 32, "--no-progress") == 0
    assert capsys.readouterr().out.startswith("1 image: ")
    assert [path.name for path in (out / "found").iterdir()] == ["mine-32"]
    assert (out / "found" / "mine-32" / "a.npz").is_file()
    line = failure(capsys, "train", "labels", *words, "--classes", "cra")
    assert "no teacher has 'cra'; did you mean 'car'" in line
    entry = TeacherConfig(str(tmp_path / "mine.keras"))
    both = open_teachers([entry], LabelConfig(sizes=(32, 96)).teacher_options())
    assert [one.teacher.name for one in both] == ["mine-32", "mine-96"]
    (own,) = open_teachers([entry])
    assert own.teacher.name == "mine-64"
    assert own.digest == both[0].digest
    with pytest.raises(ConfigError, match="multiple of"):
        opened(entry, sizes=(50,))


@pytest.mark.parametrize(
    ("write", "side", "box"),
    [
        # The cell at (32, 16) has its centre at (40, 24); the box is 24 pixels wide and 32 high.
        (write_fastestdet, 16, [28, 8, 52, 40]),
        # The cell at (32, 16) has its centre at (36, 20); the box is 16 pixels wide and 32 high.
        (write_nanodet, 8, [28, 4, 44, 36]),
    ],
)
def test_kind_and_detection_of_onnx_teachers(tmp_path, write, side, box):
    pytest.importorskip("onnx", reason="making ONNX files needs the package onnx")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    path = str(write(tmp_path / "net.onnx"))
    (one,) = opened(TeacherConfig(path))
    assert one.teacher.name == "net-96"
    assert one.teacher.class_names == COCO_NAMES
    with pytest.raises(ConfigError, match=r"sizes: .*of these teachers have one size of their own"):
        opened(TeacherConfig(path), sizes=(64,))
    image = np.zeros((64, 96, 3), np.uint8)
    image[16 : 16 + side, 32 : 32 + side, 2] = 255
    found = one.teacher.detect(image)
    np.testing.assert_allclose(found.boxes, [box], atol=1e-3)
    np.testing.assert_allclose(found.scores, [1], atol=1e-6)
    assert found.classes.tolist() == [0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_ssd_without_class_names_votes_on_people(tmp_path):
    pytest.importorskip("openvino", reason="openvino is not installed")
    rows = [[0, 1, 0.75, 0.25, 0.5, 0.75, 1], [0, 1, 0.01, 0, 0, 0.5, 0.5], [-1] + [0] * 6]
    (one,) = opened(TeacherConfig(str(write_ssd_rows(tmp_path / "ssd.xml", rows, size=(64, 96)))))
    assert one.teacher.name == "ssd-96"
    assert one.teacher.class_names == ("person",)
    found = one.teacher.detect(np.zeros((48, 64, 3), np.uint8))
    np.testing.assert_allclose(found.boxes, [[16, 24, 48, 48]], atol=1e-4)
    assert (found.scores.tolist(), found.classes.tolist()) == ([0.75], [0])
    (tmp_path / "ssd.names").write_text("pedestrian\nrider\n")
    (named,) = opened(TeacherConfig(str(tmp_path / "ssd.xml")))
    assert named.teacher.class_names == ("pedestrian", "rider")
