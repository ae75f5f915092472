"""Tracks as objects of other libraries, which this package does not install."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from tracker.errors import DataError, DependencyError
from tracker.tracks import Tracks, TrackState


def two_tracks() -> Tracks:
    return Tracks(
        ids=np.array([3, 8], np.int64),
        boxes=np.array([[0, 1, 10, 21], [5, 5, 9, 9]], np.float32),
        velocities=np.array([[1, 2], [-3, 0]], np.float32),
        scores=np.array([0.5, 0.75], np.float32),
        classes=np.array([1, 0], np.int32),
        class_scores=np.array([1, 0.5], np.float32),
        states=np.array([TrackState.CONFIRMED, TrackState.LOST], np.uint8),
        ages=np.array([4, 12], np.int32),
        misses=np.array([0, 2], np.int32),
        detection_index=np.array([0, -1], np.int32),
    )


def test_tracks_have_no_global_ids_unless_they_are_given() -> None:
    tracks = two_tracks()
    assert tracks.global_ids.tolist() == [-1, -1]
    linked = replace(tracks, global_ids=np.array([5, 2]))
    assert linked.select(np.array([1])).global_ids.tolist() == [2]
    assert Tracks.of_own(ids=np.array([4])).global_ids.tolist() == [-1]
    with pytest.raises(DataError, match="global_ids"):
        replace(tracks, global_ids=np.array([1, 2, 3]))


@pytest.mark.parametrize("library", ["supervision", "pandas"])
def test_a_library_that_is_missing_is_named(library: str) -> None:
    if importlib.util.find_spec(library) is not None:
        pytest.skip(f"{library} is installed here")
    convert = Tracks.to_supervision if library == "supervision" else Tracks.to_dataframe
    package = {"pandas": r"'tracker-pipeline\[pandas\]'"}.get(library, library)
    with pytest.raises(DependencyError, match=f"package {library}: .*; pip install {package}$"):
        convert(two_tracks())


def test_to_supervision() -> None:
    supervision = pytest.importorskip("supervision")
    converted = two_tracks().to_supervision(["car", "person"])
    assert isinstance(converted, supervision.Detections)
    assert converted.tracker_id.tolist() == [3, 8]
    assert converted.xyxy.tolist() == [[0, 1, 10, 21], [5, 5, 9, 9]]
    assert converted.confidence.tolist() == [0.5, 0.75]
    assert converted.class_id.tolist() == [1, 0]
    assert converted["class_name"].tolist() == ["person", "car"]
    converted.xyxy[0, 0] = 2  # Other than ours, its arrays may be written to.
    assert len(Tracks.empty().to_supervision()) == 0


def test_to_dataframe() -> None:
    pytest.importorskip("pandas")
    frame = two_tracks().to_dataframe(["car", "person"])
    assert frame.to_dict("records") == [
        {
            **{"id": 3, "class": "person", "score": 0.5, "x1": 0, "y1": 1, "x2": 10, "y2": 21},
            **{"state": "confirmed", "vx": 1, "vy": 2, "age": 4, "misses": 0, "class_score": 1},
            "detection_index": 0,
        },
        {
            **{"id": 8, "class": "car", "score": 0.75, "x1": 5, "y1": 5, "x2": 9, "y2": 9},
            **{"state": "lost", "vx": -3, "vy": 0, "age": 12, "misses": 2, "class_score": 0.5},
            "detection_index": -1,
        },
    ]
    assert two_tracks().to_dataframe()["class"].tolist() == [1, 0]
    assert list(Tracks.empty().to_dataframe().columns) == list(frame.columns)
