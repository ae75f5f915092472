"""`tracker eval-detector`: images of different sizes, class names, errors, a real network."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tracker.cli.eval.detector import class_numbers, score
from tracker.cli.main import main
from tracker.detections import Detections
from tracker.errors import ConfigError, DataError
from tracker.evaluation.labels import LabelledSet, read_yolo_labels
from tracker.frames import Frame, VideoInfo
from tracker.util.stopwatch import Stopwatch


class BrightBox:
    """Detects the box around the bright pixels, as class car."""

    class_names = ("person", "car")
    digests: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def start(self, info: VideoInfo) -> None:
        self.sizes.append((info.width, info.height))

    def detect(self, frames: Sequence[Frame], stopwatch: Stopwatch) -> list[Detections]:
        (frame,) = frames
        rows, columns = np.nonzero(frame.image[:, :, 0] > 128)
        if not len(rows):
            return [Detections.empty()]
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        return [Detections.create([box], [0.9], [1])]


@pytest.fixture
def labelled(tmp_path: Path) -> LabelledSet:
    """Three images of different sizes: a car in two of them, and nothing in the third."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for name, (width, height) in {"a": (100, 60), "b": (64, 80), "c": (64, 80)}.items():
        image = np.zeros((height, width, 3), np.uint8)
        if name != "c":
            image[height // 4 : height // 2, width // 2 :] = 255
            (tmp_path / "labels" / f"{name}.txt").write_text("1 0.75 0.375 0.5 0.25\n")
        Image.fromarray(image).save(tmp_path / "images" / f"{name}.png")
    return read_yolo_labels(tmp_path / "labels")


def test_images_of_different_sizes(labelled: LabelledSet) -> None:
    detector = BrightBox()
    precision = score(labelled, detector)
    assert detector.sizes == [(100, 60), (64, 80)]
    assert precision.map == pytest.approx(1)
    assert {n: c.truth for n, c in precision.classes.items()} == {1: 2}


def test_class_names_map_labels_to_the_detectors_indices(labelled: LabelledSet) -> None:
    named = replace(labelled, names=("bus", "car", "person"))
    assert class_numbers(named, ("person", "car"), None) == {1: 1}
    assert class_numbers(named, ("car",), None) == {1: 0}
    assert class_numbers(named, ("person", "car"), ["person"]) == {2: 0}
    assert class_numbers(labelled, ("person", "car"), None) == {1: 1}


def test_unknown_classes(labelled: LabelledSet) -> None:
    with pytest.raises(
        ConfigError, match="class 'car' of the labels is not a class of the detector"
    ):
        class_numbers(replace(labelled, names=("bus", "car")), ("person",), None)
    with pytest.raises(ConfigError, match="the labels have no such class; did you mean 'car'"):
        class_numbers(labelled, ("person", "car"), ["carr"])
    with pytest.raises(DataError, match="class 1 has no name, got 1 names"):
        class_numbers(labelled, ("person",), None)
    with pytest.raises(DataError, match="got none in all images"):
        score(labelled, BrightBox(), ["person"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--detector", "motion"], "needs a network that detects in single images"),
        (["--detector", "a.cfg"], "no such folder"),
        (["--detector", "a.cfg", "--labels", __file__], "COCO JSON needs --images"),
    ],
)
def test_wrong_use(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["eval-detector", "--labels", "none/labels", *words])
    assert done.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_network_on_coco(data: Path, tmp_path: Path) -> None:
    model = data / "weights" / "yolo-fastest" / "yolo-fastest-1.1_coco" / "yolo-fastest-1.1-xl"
    labels = data / "detection" / "coco256" / "labels" / "val2017"
    words = ["--detector", f"{model}.cfg", "--weights", f"{model}.weights", "--classes", "person"]
    out = tmp_path / "a.json"
    with pytest.raises(SystemExit) as done:
        main(["eval-detector", "--labels", str(labels), *words, "--json", str(out)])
    assert not done.value.code
    record = json.loads(out.read_text())
    assert (record["images"], list(record["classes"])) == (128, ["person"])
    # 34.3 is the published AP over all classes of val2017; person is an easy class.
    assert record["mAP50"] > 0.343
