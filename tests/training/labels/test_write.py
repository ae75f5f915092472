"""Labels from teachers whose words are scripted."""

from pathlib import Path

import numpy as np
import pytest

from tracker.detections import Detections
from tracker.errors import ConfigError, DataError, OutputError, SourceError
from tracker.evaluation.labels import LabelledImage
from tracker.training.datasets import YoloFolder
from tracker.training.labels.merge import human_labels
from tracker.training.labels.settings import LabelSettings, Thresholds
from tracker.training.labels.write import label_images
from tracker.util.opencv import cv2

CLASSES = ("person", "motorcycle")
SETTINGS = LabelSettings(CLASSES, default=Thresholds(sure=0.5, doubtful=0.2))


class Scripted:
    """A teacher that always says the same, and counts the images."""

    def __init__(
        self, name: str, rows: list[tuple[list[float], float, int]], names: tuple[str, ...]
    ) -> None:
        self.name, self.class_names = name, names
        self._rows = rows
        self.asked = 0

    def detect(self, image: np.ndarray) -> Detections:
        self.asked += 1
        boxes, scores, classes = zip(*self._rows, strict=True) if self._rows else ([], [], [])
        return Detections.create(boxes, scores, np.array(classes, np.int32))


def teachers() -> list[Scripted]:
    person, weak, bike = [0, 0, 20, 20], [20, 0, 40, 10], [10, 5, 30, 15]
    first = Scripted("first", [(person, 0.9, 1), (weak, 0.6, 1), (bike, 0.8, 0), (bike, 0.9, 2)],
                     ("motorbike", "person", "dog"))  # fmt: skip
    return [first, Scripted("second", [(person, 0.7, 0)], ("pedestrian",))]


def write_images(folder: Path, *names: str) -> list[Path]:
    folder.mkdir()
    for name in names:
        cv2.imwrite(str(folder / name), np.zeros((20, 40, 3), np.uint8))
    return [folder / name for name in names]


def test_no_images_no_labels(tmp_path: Path) -> None:
    done = label_images([], teachers(), tmp_path / "out", settings=SETTINGS)
    assert done.images == 0
    assert done.labels == {"person": 0, "motorcycle": 0}


def test_sure_boxes_are_labels_doubtful_ones_regions_to_ignore(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "in", "a.png")
    done = label_images(paths, teachers(), tmp_path / "out", settings=SETTINGS)
    # Both see the person: (0.9 + 0.7) / 2. The weak one: 0.6 / 2, since both know people. Only the
    # first knows motorcycles, so its 0.8 stands. Nobody asked for dogs.
    assert done.labels == {"person": 1, "motorcycle": 1}
    assert done.doubtful == {"person": 1, "motorcycle": 0}
    sample = YoloFolder(tmp_path / "out", CLASSES)[0]
    by_kind = {(int(c), bool(i)): b.tolist() for c, i, b in
               zip(sample.classes, sample.ignore, sample.boxes, strict=True)}  # fmt: skip
    assert by_kind.keys() == {(0, False), (1, False), (0, True)}
    np.testing.assert_allclose(by_kind[0, False], [0, 0, 20, 20], atol=1e-3)
    np.testing.assert_allclose(by_kind[1, False], [10, 5, 30, 15], atol=1e-3)
    np.testing.assert_allclose(by_kind[0, True], [20, 0, 40, 10], atol=1e-3)


def test_soft_labels_have_their_score_and_are_read_back(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "in", "a.png")
    settings = LabelSettings(CLASSES, default=Thresholds(sure=0.25, doubtful=0.1), soft=True)
    label_images(paths, teachers(), tmp_path / "out", settings=settings)
    # As above, and the weak person of score 0.6 / 2 is a label now, with that score.
    sample = YoloFolder(tmp_path / "out", CLASSES)[0]
    by_score = {(int(c), round(float(s), 5)) for c, s in
                zip(sample.classes, sample.scores, strict=True)}  # fmt: skip
    assert by_score == {(0, 0.8), (1, 0.8), (0, 0.3)}
    assert not sample.ignore.any()
    hard = LabelSettings(CLASSES, default=Thresholds(sure=0.25, doubtful=0.1))
    label_images(paths, teachers(), tmp_path / "out", settings=hard)
    text = (tmp_path / "out" / "labels" / "a.txt").read_text()
    assert [len(line.split()) for line in text.splitlines()] == [5, 5, 5]


def test_human_labels_are_those_of_the_linked_image(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "in", "a.png", "b.png")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "a.png").symlink_to(paths[0])
    own = LabelledImage(
        tmp_path / "link" / "a.png",
        np.array([[0, 0, 0.5, 0.9]]),
        np.array([0], np.int32),
        np.array([False]),
    )
    human = human_labels([own], ("person",), CLASSES)
    label_images(paths, teachers(), tmp_path / "out", settings=SETTINGS, human=human)
    samples = YoloFolder(tmp_path / "out", CLASSES)
    people = [sample.boxes[(sample.classes == 0) & ~sample.ignore] for sample in
              (samples[0], samples[1])]  # fmt: skip
    np.testing.assert_allclose(people[0], [[0, 0, 20, 18]], atol=1e-3)
    np.testing.assert_allclose(people[1], [[0, 0, 20, 20]], atol=1e-3)


def test_a_second_run_asks_only_what_is_new(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "in", "a.png", "b.png")
    pair = teachers()
    label_images(paths[:1], pair, tmp_path / "out", settings=SETTINGS)
    third = Scripted("third", [], ("person",))
    done: list[int] = []
    settings = LabelSettings(CLASSES, default=Thresholds(0.9, 0.8))
    again = label_images(
        paths, [*pair, third], tmp_path / "out", settings=settings, progress=done.append
    )
    assert [teacher.asked for teacher in (*pair, third)] == [2, 2, 2]
    assert done == [1, 2]
    assert again.labels == {"person": 0, "motorcycle": 0}
    assert (tmp_path / "out" / "labels" / "a.txt").read_text() == ""
    assert len(YoloFolder(tmp_path / "out", CLASSES)) == 2


def test_bad_input(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "in", "a.png", "a.jpg")
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="images: expected different names, got 'a'"):
        label_images(paths, teachers(), out, settings=SETTINGS)
    with pytest.raises(ConfigError, match="teachers: expected different names"):
        label_images([], teachers()[:1] * 2, out, settings=SETTINGS)
    with pytest.raises(ConfigError, match="no teacher knows 'persn'; did you mean 'person'"):
        label_images([], teachers(), out, settings=LabelSettings(("persn",)))
    with pytest.raises(ConfigError, match="not among the classes"):
        LabelSettings(("person",), thresholds={"car": Thresholds(1, 0)})
    with pytest.raises(ConfigError, match="doubtful <= sure"):
        Thresholds(sure=0.2, doubtful=0.3)
    with pytest.raises(SourceError, match=r"none\.png"):
        label_images([tmp_path / "none.png"], teachers(), out, settings=SETTINGS)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        label_images(paths[:1], teachers(), tmp_path / "file", settings=SETTINGS)


def test_a_broken_file_of_an_earlier_run_is_named(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "in", "a.png")
    out = tmp_path / "out"
    label_images(paths, teachers(), out, settings=SETTINGS)
    broken = out / "found" / "first" / "a.npz"
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.raises(DataError, match=r"a\.npz.*delete it"):
        label_images(paths, teachers(), out, settings=SETTINGS)
