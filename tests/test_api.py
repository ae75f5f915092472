"""`track` and `track_many` with a detector of the caller's own."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tracker
from tracker.detection.motion import MotionDetector
from tracker.detections import Detections
from tracker.errors import ConfigError, DataError
from tracker.frames import Frame
from tracker.pipeline.frame_loop import SourceResult
from tracker.testing import ScriptedSource

NO_EMBEDDER = tracker.load_config(overrides=["embedder.name=none"])


def find_square(image: np.ndarray) -> tuple[list[list[int]], list[float], list[int]]:
    """Returns the columns of the bright square of `clip`, as class 1."""
    columns = np.flatnonzero((image[60, :, 0] > 180) & (image[60, :, 2] < 110))
    if len(columns) == 0:
        return [], [], []
    return [[int(columns[0]), 40, int(columns[-1]) + 1, 80]], [0.9], [1]


class SquareFinder:
    """The same as an object, which needs one method."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [Detections.create(*find_square(frame.image)) for frame in frames]


@pytest.mark.parametrize("make", [lambda: find_square, SquareFinder])
def test_tracks_of_a_detector_of_the_callers_own(clip: Path, make: Callable[[], Any]) -> None:
    names = ("ground", "square")
    results = list(tracker.track(clip, detector=make(), names=names, config=NO_EMBEDDER))
    assert len(results) == 60
    assert {len(result.detections) for result in results[:10]} == {0}
    assert results[-1].tracks.ids.tolist() == [1]
    # Frame 59 shows the square at x = 5 + 2 * 49 = 103; H.264 blurs its edge by a pixel.
    np.testing.assert_allclose(results[-1].detections.boxes[0], [103, 40, 123, 80], atol=2)
    assert results[0].run.class_names == names


def test_classes_and_a_file_of_names_hold_for_a_function_too(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("ground\nsquare\n")
    options: dict[str, Any] = {"detector": find_square, "names": tmp_path / "names.txt"}
    kept = list(tracker.track(clip, **options, classes=["square"], config=NO_EMBEDDER))
    dropped = list(tracker.track(clip, **options, classes=["ground"], config=NO_EMBEDDER))
    assert len(kept[-1].detections) == 1
    assert len(dropped[-1].detections) == 0


def test_slices_of_a_function(clip: Path) -> None:
    options: dict[str, Any] = {"detector": find_square, "names": ("ground", "square")}
    *_, whole = tracker.track(clip, **options, config=NO_EMBEDDER)
    *_, sliced = tracker.track(clip, **options, slices="1x2", config=NO_EMBEDDER)
    assert sliced.detections.boxes.tolist() == whole.detections.boxes.tolist()
    assert sliced.run.config["detector"]["slices"] == "1x2"
    event = next(tracker.track_many([clip], **options, slices="1x2", config=NO_EMBEDDER))
    assert isinstance(event, SourceResult)
    assert event.result.run.config["detector"]["slices"] == "1x2"


def test_many_sources_share_a_function(clip: Path) -> None:
    events = tracker.track_many(
        [clip, clip], detector=find_square, names=["ground", "square"], config=NO_EMBEDDER
    )
    found = [(e.index, len(e.result.detections)) for e in events if isinstance(e, SourceResult)]
    assert sorted(found) == sorted([(source, int(i >= 10)) for source in (0, 1) for i in range(60)])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"detector": find_square, "names": ["a", "b"], "weights": "x"}, ConfigError, "weights"),
        ({"detector": find_square, "names": ["a", "b"], "classes": ["c"]}, ConfigError, "'c'"),
        ({"detector": "motion", "names": ["a"]}, ConfigError, "names: expected a file"),
        ({"detector": find_square}, DataError, "function find_square: class 1 has no name"),
        ({"detector": SquareFinder}, ConfigError, r"make one with SquareFinder\(...\)"),
    ],
)
def test_options_that_do_not_fit(
    clip: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        list(tracker.track(clip, **options, config=NO_EMBEDDER))


def test_settings_of_a_network_do_not_fit_a_function(clip: Path) -> None:
    config = tracker.load_config(overrides=["detector.network.iou=0.5"])
    with pytest.raises(
        ConfigError, match="detector function find_square is given as an object; leave all"
    ):
        tracker.track(clip, detector=find_square, config=config)


def test_one_motion_detector_is_not_shared_by_several_sources(clip: Path) -> None:
    with pytest.raises(ConfigError, match="a MotionDetector learns one background"):
        tracker.track_many([clip, clip], detector=MotionDetector())


def test_an_open_source_is_taken_and_closed() -> None:
    source, other = ScriptedSource(3), ScriptedSource(2)
    results = list(tracker.track(source, detector=lambda image: ([], [], [])))
    assert [result.frame.index for result in results] == [0, 1, 2]
    assert source.closed
    events = list(tracker.track_many([other], detector=lambda image: ([], [], [])))
    assert [type(event).__name__ for event in events] == ["SourceResult"] * 2 + ["SourceEnd"]
    assert other.closed
