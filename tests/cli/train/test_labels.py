"""`tracker train labels` with scripted teachers and with a saved detector."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli import call, failure
from tests.openvino_files import write_means, write_ssd_rows
from tests.published_forms import write_fastestdet, write_nanodet
from tracker.cli.train.labels import LabelRequest, label_found
from tracker.cli.train.labels_config import LabelConfig, load_label_config
from tracker.detection.default_names import COCO_NAMES
from tracker.detections import Detections
from tracker.errors import ConfigError, DependencyError, ModelError, SourceError
from tracker.training.data_file import read_splits
from tracker.training.images import find_images
from tracker.training.labels.teacher_files import OpenedTeacher, open_teachers
from tracker.training.labels.teachers_openvino import decode_ssd
from tracker.util.opencv import cv2


class Scripted:
    """A teacher with the same detections in every image; may be interrupted at one of them."""

    def __init__(self, name, rows, names, *, stop_at=None):
        self.name, self.class_names = name, names
        self._rows, self._stop_at = rows, stop_at
        self.asked = 0

    def detect(self, image):
        if self.asked == self._stop_at:
            self._stop_at = None
            raise KeyboardInterrupt
        self.asked += 1
        boxes, scores, classes = zip(*self._rows, strict=True)
        return Detections.create(boxes, scores, np.array(classes, np.int32))


def people(**more):
    """Detects one person with a high and one with a low score, and a dog."""
    rows = [([0, 0, 20, 20], 0.9, 0), ([20, 0, 40, 10], 0.2, 0), ([5, 15, 15, 20], 0.8, 1)]
    return Scripted("people-64", rows, ("pedestrian", "dog"), **more)


def write_images(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        cv2.imwrite(str(folder / name), np.zeros((20, 40, 3), np.uint8))
    return folder


def label(words, out, *teachers, digest="1", **config):
    request = LabelRequest(tuple(map(str, words)), LabelConfig(**config), out, progress=False)
    opened = [OpenedTeacher(teacher, digest) for teacher in teachers]
    return label_found(request, find_images(request.pictures), opened)


def test_labels_are_a_data_set_for_training(tmp_path, capsys):
    folder = write_images(tmp_path / "in", "a.png", "b.png")
    done = label([folder], tmp_path / "out", people(), classes=("person",))
    assert (done.images, done.labels, done.doubtful) == (2, {"person": 2}, {"person": 2})
    assert capsys.readouterr().out == "2 images: 2 person; 2 regions to ignore\n"
    splits = read_splits(tmp_path / "out" / "data.yaml", val_share=0.5)
    assert splits.class_names == ("person",)
    (image,) = splits.train[0]
    np.testing.assert_allclose(image.boxes, [[0, 0, 0.5, 1], [0.5, 0, 1, 0.5]], atol=1e-6)
    assert image.crowd.tolist() == [False, True]


def test_default_classes_are_all_of_the_teachers(tmp_path, capsys):
    folder = write_images(tmp_path / "in", "a.png")
    label([folder], tmp_path / "out", people())
    assert capsys.readouterr().out == "1 image: 1 person, 1 dog; 1 region to ignore\n"


def test_interrupted_labelling_resumes(tmp_path):
    folder, out = write_images(tmp_path / "in", "a.png", "b.png", "c.png"), tmp_path / "out"
    teacher = people(stop_at=1)
    with pytest.raises(KeyboardInterrupt):
        label([folder], out, teacher)
    assert not (out / "data.yaml").exists()
    label([folder], out, teacher)
    assert teacher.asked == 3
    assert (out / "data.yaml").exists()
    # A further teacher and other thresholds: the first teacher does not run again.
    other = Scripted("other-64", [([0, 0, 20, 20], 0.5, 0)], ("person",))
    done = label([folder], out, teacher, other, classes=("person",), sure=0.65, doubtful=0.6)
    assert (teacher.asked, other.asked) == (3, 3)
    assert done.labels == {"person": 3}  # (0.9 + 0.5) / 2 is above 0.65


def test_frames_of_a_video_with_their_times(clip, tmp_path):
    out = tmp_path / "out"
    done = label([clip], out, people(), every=25)
    assert done.images == 3
    assert sorted(p.name for p in (out / "images").iterdir()) == [
        f"square-{index:06d}.jpg" for index in (0, 25, 50)
    ]
    rows = list(csv.DictReader((out / "frames.csv").read_text().splitlines()))
    assert [(row["frame"], row["time_s"]) for row in rows] == [
        ("0", "0.000000"), ("25", "1.000000"), ("50", "2.000000"),
    ]  # fmt: skip
    again = people()
    label([clip], out, again, every=25)
    assert again.asked == 0
    with pytest.raises(ConfigError, match=r"every 25\. frame of .*, got every 20\. frame"):
        label([clip], out, people(), every=20)


def test_another_labelling_is_not_mixed_in(tmp_path):
    folder, out = write_images(tmp_path / "in", "a.png"), tmp_path / "out"
    label([folder], out, people())
    with pytest.raises(ConfigError, match="found/people-64 contains detections of another"):
        label([folder], out, people(), digest="2")
    other = write_images(tmp_path / "other", "b.png")
    with pytest.raises(ConfigError, match=r"a\.png is now not among the images"):
        label([other], out, people())
    same_name = write_images(tmp_path / "same", "a.png")
    with pytest.raises(ConfigError, match=r"a\.png is now another image"):
        label([same_name], out, people())
    with pytest.raises(ConfigError, match=r"labelling\.json, got neither"):
        label([folder], folder, people())


def test_images_by_folder_pattern_file_and_list(tmp_path):
    folder = write_images(tmp_path / "in", "a.png", "b.jpg", "._c.png")
    (folder / "notes.md").write_text("no image")
    (tmp_path / "list.txt").write_text("in/b.jpg\n\n")
    a, b = folder / "a.png", folder / "b.jpg"
    for words, expected in (
        ([folder], (a, b)),
        ([f"{folder}/*.png"], (a,)),
        ([b, folder], (b, a)),
        ([tmp_path / "list.txt"], (b,)),
    ):
        assert find_images([str(word) for word in words]).images == expected
    (tmp_path / "list.txt").write_text("in/notes.md\n")
    with pytest.raises(SourceError, match=r"entry 1, .*notes\.md, is no image"):
        find_images([str(tmp_path / "list.txt")])
    with pytest.raises(SourceError, match="at least one, got none"):
        find_images([])


def test_rows_of_an_ssd_layer():
    # image index, label, score, box; a negative image index ends the list.
    rows = [[0, 1, 0.9, 0.25, 0, 0.5, 1.2], [0, 2, 0.8, 0, 0, 1, 1], [0, 1, 0.01, 0, 0, 1, 1],
            [-1, 1, 0.9, 0, 0, 1, 1]]  # fmt: skip
    output = np.array(rows, np.float32)[None, None]
    found = decode_ssd(output, (20, 40), class_count=1)
    np.testing.assert_array_equal(found.boxes, [[10, 0, 20, 20]])
    assert found.classes.tolist() == [0]
    assert decode_ssd(output, (20, 40), class_count=2).classes.tolist() == [0, 1]
    assert len(decode_ssd(output[:, :, 3:], (20, 40), class_count=1)) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "teachers: expected one file or more, got none; give --teacher"),
        (["--teacher", "no.keras"], "teacher no.keras: does not exist"),
        (["--teacher", "{tmp}/a.pt"], "ends in .cfg, .keras, .onnx, .xml, got .pt"),
        (["--teacher", "{tmp}/bad.keras"], "expected a .keras archive, got something else"),
        (["--teacher", "{tmp}/lone.xml"], "lone.bin: does not exist"),
        (["--teacher", "x.onnx", "--size", "64"], "have one size of their own"),
        (["--teacher", "x.cfg", "--size", "64", "--size", "64"], "sizes: expected different ones"),
        (["--teacher", "x.cfg", "--every", "0"], "every: expected at least 1"),
        (["--teacher", "x.cfg", "--set", "sur=0.5"], "unknown key sur; did you mean 'sure'"),
        (["--teacher", "x.cfg", "--set", "sure=0.1"], "0 <= doubtful <= sure <= 1"),
        (["--teacher", "x.cfg", "--set", "thresholds.person=0.5"], "thresholds.person"),
        (["--teacher", "x.cfg", "--set", "weights.x=0"], "weights.x: expected a number above 0"),
        (["--teacher", "x.cfg", "--pictures", "{tmp}/empty"], "holds no image"),
        (["--teacher", "x.cfg", "--pictures", "{tmp}/none/*.png"], "matches this pattern"),
        (["--teacher", "x.cfg", "--pictures", "{tmp}/none.mp4"], "does not exist"),
    ],
)
def test_wrong_use_leaves_nothing(words, message, tmp_path, capsys):
    write_images(tmp_path / "in", "a.png")
    (tmp_path / "empty").mkdir()
    for name in ("a.pt", "bad.keras", "lone.xml"):
        (tmp_path / name).write_text("no model")
    filled = [word.format(tmp=tmp_path) for word in words]
    line = failure(
        capsys, "train", "labels", "--pictures", tmp_path / "in", *filled, "--out", tmp_path / "out"
    )
    assert message in line
    assert not (tmp_path / "out").exists()


def test_unknown_class_and_teacher_names(tmp_path):
    folder, out = write_images(tmp_path / "in", "a.png"), tmp_path / "out"
    with pytest.raises(ConfigError, match="no teacher has 'persn'; did you mean 'person'"):
        label([folder], out, people(), classes=("persn",))
    with pytest.raises(
        ConfigError, match="no teacher has the name 'people'; did you mean 'people-64'"
    ):
        label([folder], out, people(), weights={"people": 2.0})
    with pytest.raises(ConfigError, match="'dog' is not among the classes"):
        label([folder], out, people(), classes=("person",), thresholds={"dog": (0.5, 0.1)})
    assert not out.exists()


def test_a_library_that_is_not_installed_is_named(tmp_path, monkeypatch):
    for name in ("a.xml", "a.bin", "a.onnx"):
        (tmp_path / name).write_text("no model")
    # None marks a module that cannot be imported.
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DependencyError, match=r"tracker-pipeline\[openvino\]"):
        open_teachers(tmp_path / "a.xml")
    with pytest.raises(DependencyError, match=r"tracker-pipeline\[onnx\]"):
        open_teachers(tmp_path / "a.onnx")


def test_example_configuration_is_valid():
    path = Path(__file__).parents[3] / "configs" / "train-labels.yaml"
    config = load_label_config(path, options={"teachers": ("nanodet_m.onnx",)})
    assert config.classes[0] == "person"
    assert config.weights == {"nanodet_m-416": 2}
    assert config.label_settings(config.classes).thresholds["bus"].sure == 0.5


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
    folder, out = write_images(tmp_path / "in", "a.png"), tmp_path / "out"
    words = ["--pictures", folder, "--teacher", tmp_path / "mine.keras", "--out", out]
    assert call("train", "labels", *words, "--size", 32, "--no-progress") == 0
    assert capsys.readouterr().out.startswith("1 image: ")
    assert [path.name for path in (out / "found").iterdir()] == ["mine-32"]
    assert (out / "found" / "mine-32" / "a.npz").is_file()
    line = failure(capsys, "train", "labels", *words, "--classes", "cra")
    assert "no teacher has 'cra'; did you mean 'car'" in line
    options = LabelConfig(sizes=(32, 96)).teacher_options()
    both = open_teachers(tmp_path / "mine.keras", options)
    assert [one.teacher.name for one in both] == ["mine-32", "mine-96"]
    (own,) = open_teachers(tmp_path / "mine.keras")
    assert own.teacher.name == "mine-64"
    assert own.digest == both[0].digest
    with pytest.raises(ConfigError, match="multiple of"):
        open_teachers(tmp_path / "mine.keras", LabelConfig(sizes=(50,)).teacher_options())


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
    (opened,) = open_teachers(write(tmp_path / "net.onnx"))
    assert opened.teacher.name == "net-96"
    assert opened.teacher.class_names == COCO_NAMES
    image = np.zeros((64, 96, 3), np.uint8)
    image[16 : 16 + side, 32 : 32 + side, 2] = 255
    found = opened.teacher.detect(image)
    np.testing.assert_allclose(found.boxes, [box], atol=1e-3)
    np.testing.assert_allclose(found.scores, [1], atol=1e-6)
    assert found.classes.tolist() == [0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_openvino_teacher_is_a_detector_not_an_appearance_network(tmp_path):
    pytest.importorskip("openvino", reason="openvino is not installed")
    rows = [[0, 1, 0.75, 0.25, 0.5, 0.75, 1], [0, 1, 0.01, 0, 0, 0.5, 0.5], [-1] + [0] * 6]
    (opened,) = open_teachers(write_ssd_rows(tmp_path / "ssd.xml", rows, size=(64, 96)))
    assert opened.teacher.name == "ssd-96"
    assert opened.teacher.class_names == ("person",)
    found = opened.teacher.detect(np.zeros((48, 64, 3), np.uint8))
    np.testing.assert_allclose(found.boxes, [[16, 24, 48, 48]], atol=1e-4)
    assert (found.scores.tolist(), found.classes.tolist()) == ([0.75], [0])
    with pytest.raises(ModelError, match="teachers of `tracker train crops`"):
        open_teachers(write_means(tmp_path / "means.xml", size=(8, 4)))
