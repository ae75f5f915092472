"""Detections from a file: rows to frames, scores to [0, 1], and what is refused."""

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.detection.replay import ReplayDetector, unit_scores
from tracker.detections import Detections
from tracker.errors import ConfigError, DataError, SourceError
from tracker.frames import Frame
from tracker.masks import empty_mask, mask_from_coco
from tracker.util.stopwatch import Stopwatch


def detect(detector: ReplayDetector, index: int) -> Detections:
    frame = Frame(np.zeros((4, 4, 3), np.uint8), index, index / 10, "test")
    return detector.detect([frame], Stopwatch())[0]


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    detector = ReplayDetector(written(tmp_path / "det.txt", ""))
    assert len(detect(detector, 0)) == 0
    assert detector.class_names == ("person",)


def test_rows_reach_their_frames(tmp_path: Path) -> None:
    text = "3,-1,10,20,30,40,0.5,-1,-1,-1\n1,-1,0,0,5,6,0.25,-1,-1,-1\n3,-1,1,2,3,4,0.75,-1,-1,-1\n"
    path = written(tmp_path / "det.txt", text)
    detector = ReplayDetector(path)
    assert len(detect(detector, 1)) == len(detect(detector, 3)) == 0
    np.testing.assert_array_equal(detect(detector, 0).boxes, [[0, 0, 5, 6]])
    third = detect(detector, 2)
    np.testing.assert_array_equal(third.boxes, [[1, 2, 4, 6], [10, 20, 40, 60]])
    assert third.scores.tolist() == [0.75, 0.5]
    assert detector.digests == {"det.txt": hashlib.sha256(text.encode()).hexdigest()}


def test_rows_without_scores_are_certain(tmp_path: Path) -> None:
    detector = ReplayDetector(written(tmp_path / "det.txt", "1,-1,0,0,5,6\n"))
    assert detect(detector, 0).scores.tolist() == [1.0]


def test_boxes_without_extent_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path / "det.txt", "1,-1,0,0,5,6,1\n1,-1,0,0,0,6,1\n2,-1,0,0,5,0,1\n")
    with caplog.at_level(logging.WARNING):
        detector = ReplayDetector(path)
    assert detector.left_out == 2
    assert "2 boxes without width or height left out" in caplog.text
    assert len(detect(detector, 0)) == 1


def test_our_json_brings_its_embeddings_and_no_predictions(tmp_path: Path) -> None:
    header = {"kind": "header", "schema": "tracker-json/1", "embedding_size": 2}
    seen = {"id": 1, "class": "a", "score": 0.5, "box": [1, 2, 3, 4], "embedding": "ADwAAA=="}
    better = {"id": 2, "class": "a", "score": 0.9, "box": [5, 6, 7, 8]}
    lost = {**better, "id": 3, "state": "lost", "misses": 1}
    frame = {"kind": "frame", "frame": 4, "tracks": [seen, better, lost]}
    text = "\n".join(json.dumps(record) for record in (header, frame))
    detector = ReplayDetector(written(tmp_path / "x.jsonl", text))
    found = detect(detector, 4)
    assert found.boxes[:, 0].tolist() == [5, 1]
    assert found.embeddings.tolist() == [[0, 0], [1, 0]]
    assert detect(detector, 0).embeddings.shape == (0, 2)


@pytest.mark.parametrize("form", ["lines", "document"])
def test_our_json_brings_its_classes(tmp_path: Path, form: str) -> None:
    header = {"kind": "header", "schema": "tracker-json/1", "class_names": ["person", "car"]}
    track = {"id": 4, "class": "car", "score": 0.5, "box": [1, 2, 3, 4]}
    other = {"id": 5, "class": "person", "score": 0.25, "box": [5, 6, 7, 8]}
    frame = {"kind": "frame", "frame": 7, "tracks": [track, other]}
    lines = "\n".join(json.dumps(record) for record in (header, frame))
    document = json.dumps({"header": header, "frames": [frame], "footer": None})
    path = written(tmp_path / "x.json", lines if form == "lines" else document)
    found = detect(ReplayDetector(path), 7)
    assert found.classes.tolist() == [1, 0]
    np.testing.assert_array_equal(found.boxes, [[1, 2, 3, 4], [5, 6, 7, 8]])
    only = detect(ReplayDetector(path, classes=["person"]), 7)
    assert only.classes.tolist() == [0]
    with pytest.raises(ConfigError, match="unknown class 'persn'; did you mean 'person'"):
        ReplayDetector(path, classes=["persn"])


def test_scores_are_kept_squashed_or_certain() -> None:
    assert unit_scores(np.zeros(0)).shape == (0,)
    assert unit_scores(np.array([0.0, 1.0])).tolist() == [0.0, 1.0]
    assert unit_scores(np.array([-1.0, -1.0])).tolist() == [1.0, 1.0]
    squashed = unit_scores(np.array([0.0, np.log(3), -np.log(3)]))
    np.testing.assert_allclose(squashed, [1 / 2, 3 / 4, 1 / 4], rtol=1e-6)


@given(st.lists(st.integers(-200, 200), min_size=2, max_size=30, unique=True))
def test_squashed_scores_keep_their_order(values: list[int]) -> None:
    scores = unit_scores(np.array(values, np.float64))
    assert scores.min() >= 0
    assert scores.max() <= 1
    np.testing.assert_array_equal(np.argsort(scores, kind="stable"), np.argsort(values))


def test_bad_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        ReplayDetector(str(tmp_path / "missing.txt"))
    with pytest.raises(DataError, match="line 1: expected 6 to 10 columns"):
        ReplayDetector(written(tmp_path / "det.txt", "1,2,3\n"))


def test_masks_come_along_and_are_empty_where_a_track_has_none(tmp_path: Path) -> None:
    full, half = {"size": [2, 3], "counts": "06"}, {"size": [2, 3], "counts": "33"}
    track = {"id": 1, "class": "person", "score": 0.5, "box": [0, 0, 3, 2]}
    frames = [
        [
            {**track, "mask": half},
            {**track, "id": 2, "score": 0.9},
            {**track, "id": 3, "score": 0.7, "class": "car", "mask": full},
            {**track, "id": 4, "state": "lost", "misses": 1},
        ],
        [],
    ]
    header = {"kind": "header", "schema": "tracker-json/1", "class_names": ["person"]}
    records = [
        header,
        *({"kind": "frame", "frame": n, "tracks": tracks} for n, tracks in enumerate(frames)),
    ]
    path = written(tmp_path / "a.jsonl", "".join(json.dumps(record) + "\n" for record in records))
    nothing = empty_mask((2, 3))
    found = detect(ReplayDetector(path), 0)
    assert found.masks == (nothing, mask_from_coco(full), mask_from_coco(half))
    people = detect(ReplayDetector(path, classes=["person"]), 0)
    assert people.masks == (nothing, mask_from_coco(half))
    assert detect(ReplayDetector(path), 1).masks == ()


def test_without_masks_there_are_none(tmp_path: Path) -> None:
    assert detect(ReplayDetector(written(tmp_path / "a", "1,-1,0,0,5,6\n")), 0).masks is None
