"""Data files of trainings: what they name, and how what is wrong in them is told."""

import json
from pathlib import Path

import numpy as np
import pytest

from tracker.errors import ConfigError, DataError, SourceError, TrackerError
from tracker.training.data_file import (
    DataSplits,
    count_objects,
    read_splits,
    training_set,
    validation_set,
)
from tracker.util.opencv import cv2

PERSON, CAR = "0 0.5 0.5 0.25 1\n", "1 0.5 0.5 0.5 0.5\n"
NAMES = "names: [person, car]\n"


def write_yolo_folder(folder: Path, labels: dict[str, str]) -> Path:
    """A YOLO folder of images 40 wide and 20 high."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for name, text in labels.items():
        cv2.imwrite(str(folder / "images" / f"{name}.png"), np.zeros((20, 40, 3), np.uint8))
        (folder / "labels" / f"{name}.txt").write_text(text)
    return folder


def read(tmp_path: Path, text: str, **options: object) -> DataSplits:
    (tmp_path / "data.yaml").write_text(text)
    return read_splits(tmp_path / "data.yaml", **options)  # type: ignore[arg-type]


def stems(images: tuple[object, ...]) -> list[str]:
    return [image.path.stem for image in images]  # type: ignore[attr-defined]


def test_one_folder_each(tmp_path: Path) -> None:
    write_yolo_folder(tmp_path / "sets" / "one", {"a": PERSON + CAR})
    write_yolo_folder(tmp_path / "sets" / "two", {"b": CAR, "c": ""})
    splits = read(
        tmp_path,
        "path: sets\ntrain: one/images\nval: two\nnames: {0: person, 1: car}\nnc: 2\nother: 3\n",
    )
    assert splits.class_names == ("person", "car")
    assert [stems(part) for part in splits.train] == [["a"]]
    assert stems(splits.validation) == ["b", "c"]
    assert not splits.held_out
    assert splits.shared == 0
    assert count_objects(splits.train[0], 2).tolist() == [1, 1]
    assert count_objects(splits.validation, 2).tolist() == [0, 1]
    sample = training_set(splits)[0]
    np.testing.assert_allclose(sample.boxes, [[15, 0, 25, 20], [10, 5, 30, 15]])
    half = training_set(splits, long_side=20)[0]
    np.testing.assert_allclose(half.boxes, [[7.5, 0, 12.5, 10], [5, 2.5, 15, 7.5]])
    assert len(validation_set(splits)[1]) == 0


def test_several_folders_with_weights(tmp_path: Path) -> None:
    write_yolo_folder(tmp_path / "one", {"a": PERSON})
    write_yolo_folder(tmp_path / "two", {"b": CAR})
    splits = read(tmp_path, f"train: [one, two]\nval: one\nweights: [1, 2]\n{NAMES}")
    assert splits.weights == (1.0, 2.0)
    assert [training_set(splits)[n].classes.tolist() for n in range(3)] == [[0], [1], [1]]
    assert splits.shared == 1


def test_classes_are_chosen_and_numbered_anew(tmp_path: Path) -> None:
    write_yolo_folder(tmp_path / "one", {"a": PERSON + CAR})
    splits = read(tmp_path, f"train: one\nval: one\n{NAMES}", classes=("car",))
    assert splits.class_names == ("car",)
    assert training_set(splits)[0].classes.tolist() == [0]
    np.testing.assert_allclose(training_set(splits)[0].boxes, [[10, 5, 30, 15]])


def test_without_val_a_share_is_held_out(tmp_path: Path) -> None:
    names = [f"{n:02}" for n in range(10)]
    write_yolo_folder(tmp_path / "one", dict.fromkeys(names, PERSON))
    splits = read(tmp_path, f"train: one\n{NAMES}", val_share=0.3, seed=1)
    learned, judged = stems(splits.train[0]), stems(splits.validation)
    assert splits.held_out
    assert len(judged) == 3
    assert sorted(learned + judged) == names
    assert splits.shared == 0
    again = read(tmp_path, f"train: one\n{NAMES}", val_share=0.3, seed=1)
    assert stems(again.validation) == judged
    other = read(tmp_path, f"train: one\n{NAMES}", val_share=0.3, seed=2)
    assert stems(other.validation) != judged


def coco(folder: Path, *, number: int = 7) -> Path:
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.zeros((20, 40, 3), np.uint8))
    notes = [
        {"id": 1, "image_id": 5, "category_id": number, "bbox": [10, 5, 20, 10], "iscrowd": 0},
        {"id": 2, "image_id": 5, "category_id": 3, "bbox": [0, 0, 4, 4], "iscrowd": 1},
    ]
    record = {
        "images": [{"id": 5, "file_name": "a.png", "width": 40, "height": 20}],
        "categories": [{"id": 7, "name": "car"}, {"id": 3, "name": "person"}],
        "annotations": notes,
    }
    (folder / "notes.json").write_text(json.dumps(record))
    return folder


def test_coco_json(tmp_path: Path) -> None:
    coco(tmp_path / "c")
    entry = "{labels: c/notes.json, images: c}"
    splits = read(tmp_path, f"train: {entry}\nval: [{entry}]\n")
    assert splits.class_names == ("person", "car")
    assert count_objects(splits.validation, 2).tolist() == [0, 1]  # the crowd is no object
    sample = training_set(splits)[0]
    assert sample.ignore.tolist() == [False, True]
    chosen = read(tmp_path, f"train: {entry}\nval: [{entry}]\nnames: [car]\n")
    assert chosen.class_names == ("car",)
    np.testing.assert_allclose(training_set(chosen)[0].boxes, [[10, 5, 30, 15]])


def test_coco_and_yolo_together(tmp_path: Path) -> None:
    coco(tmp_path / "c")
    write_yolo_folder(tmp_path / "one", {"b": PERSON})
    text = "train: [one, {labels: c/notes.json, images: c}]\nval: one\nnames: [person, car]\n"
    splits = read(tmp_path, text)
    assert [count_objects(part, 2).tolist() for part in splits.train] == [[1, 0], [0, 1]]


def test_names_are_taken_as_they_are_written(tmp_path: Path) -> None:
    write_yolo_folder(tmp_path / "one", {"a": PERSON + CAR})
    for names in ("[no, 010]", "{0: no, 1: 010}", "\n- no\n- 010"):
        splits = read(tmp_path, f"train: one\nval: one\nnames: {names}")
        assert splits.class_names == ("no", "010")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("- 1", ConfigError, "data.yaml: expected keys and values, got a list"),
        ("train: one\nval: [", ConfigError, "data.yaml, line 2: not YAML"),
        ("", ConfigError, "'train' to name a folder"),
        ("train: []\nnames: [a]", ConfigError, "'train' to name one folder or more"),
        ("train: 3\nnames: [a]", ConfigError, "labels: FILE.json, images: FOLDER.*got 3"),
        ("train: list.txt\nnames: [a]", ConfigError, r"got 'list\.txt'"),
        ("train: notes.json", ConfigError, r"labels: FILE\.json.*got 'notes\.json'"),
        ("train: {labels: a.json}", ConfigError, "images: FOLDER"),
        ("train: one", ConfigError, "names is missing"),
        ("train: one\nnames: {1: person}", ConfigError, "by number from 0"),
        ("train: one\nnames: person", ConfigError, "by number from 0"),
        ("train: one\nnames: [car, car]", ConfigError, "got 'car' twice"),
        (f"train: one\nnc: 3\n{NAMES}", ConfigError, "nc is 3, but names holds 2"),
        (f"train: one\nweights: 2\n{NAMES}", ConfigError, "a list of 1 numbers above 0, got 2"),
        (f"train: one\nweights: [0]\n{NAMES}", ConfigError, "a list of 1 numbers above 0"),
        (f"train: one\nval: []\n{NAMES}", ConfigError, "'val' to name one folder"),
        (
            f"train: none\n{NAMES}",
            SourceError,
            "data.yaml: train: .*none: expected a folder",
        ),
        (
            f"train: one\nval: nnoe\n{NAMES}",
            SourceError,
            "data.yaml: val: .*nnoe: expected a f",
        ),
        (
            "train: {labels: x.json, images: one}",
            SourceError,
            "data.yaml: train: .*x.json: .*does not exist",
        ),
        (
            "train: {labels: x.json, images: xy}",
            SourceError,
            "data.yaml: train: .*xy: no such folder",
        ),
        ("train: {labels: 3, images: one}", ConfigError, "images: FOLDER"),
        (f"path: [a]\ntrain: one\n{NAMES}", ConfigError, "'path' to be text, got \\['a'\\]"),
        ("train: one\nnames: [[a]]", ConfigError, "names: expected words, got \\['a'\\]"),
        ("train: one\nnames: [a, '']", ConfigError, "names: expected words, got ''"),
        ("train: one\nnc: true\nnames: [a]", ConfigError, "nc is True, but names holds 1"),
        (f"train: one\nweights: [true]\n{NAMES}", ConfigError, "a list of 1 numbers above 0"),
        (f"train: one\nval: empty\n{NAMES}", DataError, "val: expected labelled objects.*in 1"),
        (f"train: empty\nval: one\n{NAMES}", DataError, "train: expected labelled objects"),
        (f"train: wrong\nval: one\n{NAMES}", DataError, r"wrong/labels/w\.txt, line 2: expected"),
        ("train: one\nnames: [person]", DataError, r"one/labels/a\.txt, line 2: class 1 has no"),
    ],
)
def test_wrong_data(tmp_path: Path, text: str, error: type[TrackerError], message: str) -> None:
    write_yolo_folder(tmp_path / "one", {"a": PERSON + CAR})
    write_yolo_folder(tmp_path / "empty", {"e": ""})
    write_yolo_folder(tmp_path / "wrong", {"w": PERSON + "0 0.5 0.5 2 1\n"})
    with pytest.raises(error, match=message):
        read(tmp_path, text)


def test_wrong_coco(tmp_path: Path) -> None:
    coco(tmp_path / "c", number=9)
    entry = "{labels: c/notes.json, images: c}"
    with pytest.raises(DataError, match=r"notes\.json: annotation 1"):
        read(tmp_path, f"train: {entry}\nval: {entry}\n")
    (tmp_path / "c" / "notes.json").write_text("{")
    with pytest.raises(DataError, match=r"notes\.json: expected COCO JSON"):
        read(tmp_path, f"train: {entry}\nval: {entry}\n")


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_wrong_shares(tmp_path: Path, share: float) -> None:
    write_yolo_folder(tmp_path / "one", {"a": PERSON, "b": PERSON})
    with pytest.raises(ConfigError, match="between 0 and 1"):
        read(tmp_path, f"train: one\n{NAMES}", val_share=share)


def test_unknown_classes(tmp_path: Path) -> None:
    write_yolo_folder(tmp_path / "one", {"a": PERSON})
    with pytest.raises(ConfigError, match="no 'persn'; did you mean 'person'"):
        read(tmp_path, f"train: one\nval: one\n{NAMES}", classes=("persn",))


def test_a_single_image_cannot_be_shared(tmp_path: Path) -> None:
    write_yolo_folder(tmp_path / "one", {"a": PERSON})
    with pytest.raises(DataError, match=r"val: expected labelled objects.*a larger val_share"):
        read(tmp_path, f"train: one\n{NAMES}")


def test_no_data_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        read_splits(tmp_path / "none.yaml")
