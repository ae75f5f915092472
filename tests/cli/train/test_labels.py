"""`tracker train labels` with scripted teachers and with a saved detector."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli import failure
from tracker.cli.train.labels import LabelRequest, label_found
from tracker.cli.train.labels_config import (
    HumanConfig,
    HumanSource,
    LabelConfig,
    load_label_config,
)
from tracker.cli.train.teachers import OpenedTeacher
from tracker.detections import Detections
from tracker.errors import ConfigError, SourceError
from tracker.training.data_file import read_splits
from tracker.training.images import find_images
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


def write_human(folder, name, *rows, names):
    """Writes a data file whose images are those of `folder`, with the rows as labels of `name`."""
    (folder.parent / "labels").mkdir(exist_ok=True)
    (folder.parent / "labels" / f"{name}.txt").write_text("".join(f"{row}\n" for row in rows))
    file = folder.parent / "human.yaml"
    file.write_text(f"train: {folder.name}\nnames: [{', '.join(names)}]\n")
    return file


def test_human_labels_are_merged(tmp_path):
    folder, out = write_images(tmp_path / "images", "a.png", "b.png"), tmp_path / "out"
    # The person at [0, 0, 20, 19] of an image of 40x20; dogs were not labelled.
    file = write_human(folder, "a", "0 0.25 0.475 0.5 0.95", names=("person",))
    human = HumanConfig(sources=(HumanSource(str(file)),))
    done = label([folder / "a.png"], out, people(), human=human, soft=True)
    assert (done.labels, done.doubtful) == ({"person": 1, "dog": 1}, {"person": 0, "dog": 0})
    rows = [row.split() for row in (out / "labels" / "a.txt").read_text().splitlines()]
    assert [(row[0], float(row[4]), float(row[5])) for row in rows] == [
        ("0", 0.95, 1), ("1", 0.25, 0.8),
    ]  # fmt: skip
    other = write_images(tmp_path / "other", "c.png")
    with pytest.raises(ConfigError, match=r"sources\.0: .* expected labels of the images of --pic"):
        label([other], tmp_path / "new", people(), human=human)
    with pytest.raises(ConfigError, match=r"sources\.0: .*one of the classes to label, got person"):
        label([folder], tmp_path / "new", people(), human=human, classes=("dog",))
    assert not (tmp_path / "new").exists()


def test_weights_by_entry_and_by_name(tmp_path):
    folder = write_images(tmp_path / "in", "a.png")
    request = LabelRequest((str(folder),), LabelConfig(), tmp_path / "out", progress=False)
    other = Scripted("other-64", [([0, 0, 20, 20], 0.5, 0)], ("person",))
    opened = [OpenedTeacher(people(), "1", 3.0), OpenedTeacher(other, "2")]
    label_found(request, find_images(request.pictures), opened)
    record = json.loads((tmp_path / "out" / "labelling.json").read_text())
    assert record["weights"] == {"people-64": 3.0}
    both = LabelRequest((str(folder),), LabelConfig(weights={"people-64": 2.0}), tmp_path / "new")
    with pytest.raises(ConfigError, match="people-64: the teacher itself has weight 3; leave one"):
        label_found(both, find_images(request.pictures), opened)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "teachers: expected one or more, got none; give --teacher"),
        (["--teacher", "no.keras"], "teacher no.keras: "),
        (["--teacher", "nanno"], "teacher nanno: unknown detector 'nanno'; did you mean 'nano'"),
        (["--teacher", "{tmp}/a.pt"], "an .onnx, an OpenVINO .xml, a Darknet .cfg"),
        (["--teacher", "{tmp}/bad.keras"], "expected a .keras archive, got something else"),
        (["--teacher", "motion"], "teachers.0: detector: expected a detector of single images"),
        (["--teacher", "nano", "--size", "50"], "teacher nano: "),
        (["--teacher", "nano", "--labels", "{tmp}/no.yaml"], "no.yaml"),
        (["--set", "teachers=[{{detector: nano, sise: 3}}]"], "unknown key teachers.0.sise; did"),
        (["--set", "teachers=[{{size: 64}}]"], "teachers.0: detector: expected a file or a name"),
        (["--set", "teachers=[3]"], "teachers.0: expected keys below it, got 3"),
        (
            ["--set", "teachers=[{{detector: nano, size: 0}}]"],
            "teachers.0: size: expected at least",
        ),
        (
            ["--set", "teachers=[{{detector: nano, weight: 0}}]"],
            "weight: expected a number above 0",
        ),
        (["--set", "teachers=[{{detector: nano, name: a/b}}]"], "name: expected a word that is"),
        (["--set", "teachers=[{{detector: nano, slices: 2y2}}]"], "slices"),
        (["--set", "teachers=[{{detector: nano, weights_file: a}}]"], "contains its weights"),
        (["--teacher", "x.cfg", "--set", "human.extra=all"], "human.extra: expected 'drop', 'ign"),
        (["--teacher", "x.cfg", "--set", "human.overlap=2"], "human: overlap: expected [0, 1]"),
        (["--teacher", "x.cfg", "--set", "human.sources=[{{dat: a}}]"], "key human.sources.0.dat"),
        (["--teacher", "x.cfg", "--set", "same_object=-1"], "same_object: expected [0, 1], got -1"),
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
    for name in ("a.pt", "bad.keras"):
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


def test_example_configuration_is_valid():
    path = Path(__file__).parents[3] / "configs" / "train-labels.yaml"
    config = load_label_config(path, options={"teachers": ("nanodet_m.onnx",)})
    assert config.classes[0] == "person"
    assert config.weights == {"nanodet_m-416": 2}
    assert config.label_settings(config.classes).thresholds["bus"].sure == 0.5


def test_the_recipe_of_the_builtin_detector_is_valid():
    path = Path(__file__).parents[3] / "configs" / "train-labels-small.yaml"
    config = load_label_config(path, options={"human.sources": ("coco.yaml",)})
    assert [(one.size, one.flip) for one in config.teachers[:2]] == [(416, False), (416, True)]
    assert sum(one.weight for one in config.teachers) == 11.5
    assert config.human.sources == (HumanSource("coco.yaml"),)
    settings = config.label_settings(("person",))
    assert (settings.soft, settings.default.sure, settings.human.extra_from) == (True, 0.3, 0.5)
