"""A run that continues from a snapshot gives the results of one that was not interrupted."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import moving_square, write_clip
from tracker.detections import Detections
from tracker.errors import DataError
from tracker.frames import Frame
from tracker.linking.settings import LinkSettings
from tracker.pipeline.resumed_source import resumed_source
from tracker.pipeline.single import Pipeline
from tracker.pipeline.snapshots import ResumePoint, Snapshot
from tracker.pipeline.stateful import TRACKING
from tracker.sources.files.video_file import VideoFile
from tracker.tracking.camera_motion import CameraMotionEstimator
from tracker.tracking.camera_watch import CameraWatch
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.settings import Association, DeepSortSettings
from tracker.tracks import TrackedFrame, Tracks
from tracker.util.state_file import state_bytes, state_from

FRAMES = 70


class Crowd:
    """Objects that walk, hide, end and appear, of two classes, with embeddings of their own."""

    class_names = ("person", "car")

    def detect(self, frames: Iterable[Frame]) -> list[Detections]:
        return [self._one(frame.index) for frame in frames]

    def _one(self, index: int) -> Detections:
        rng = np.random.default_rng(index)
        here = [n for n in range(6) if (index + 7 * n) % 31 > 4 and index >= 3 * n]
        x = np.array([10.0 + 18 * n + (index % 40) * (1 + n % 3) for n in here])
        y = np.array([20.0 + 9 * n for n in here])
        boxes = np.stack([x, y, x + 12, y + 26], axis=1) + rng.normal(0, 0.4, (len(here), 4))
        classes = [int(n % 2 == 0 or index % 11 == 0) for n in here]
        vectors = [np.eye(8)[n] + 0.1 * rng.normal(size=8) for n in here]
        return Detections.create(
            boxes, rng.uniform(0.5, 0.95, len(here)), classes, np.reshape(vectors, (-1, 8))
        )


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("film") / "in.mp4", moving_square(FRAMES))


class EveryFrame:
    """Takes a snapshot before every frame."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, bytes, Snapshot]] = []
        self.written = 0

    def is_due(self, frames: int) -> bool:
        return True

    def take(self, snapshot: Snapshot) -> None:
        parts = [snapshot.tracker, snapshot.lag, snapshot.waiting, snapshot.linker]
        self.taken.append((self.written, state_bytes(parts), snapshot))


def pipeline(settings: DeepSortSettings, **more: Any) -> Pipeline:
    return Pipeline(detector=Crowd(), tracker=DeepSort(settings), **more)


def facts(result: TrackedFrame) -> tuple[object, ...]:
    columns = [getattr(result.tracks, name).tobytes() for name in Tracks.__dataclass_fields__]
    image = result.frame.image.tobytes()
    unreported = result.unreported.ids.tobytes()
    return result.frame.index, result.frame.time_s, *columns, image, unreported, result.track_count


CASES = {
    "default": (DeepSortSettings(), {}),
    "stages": (
        DeepSortSettings(association=Association.STAGES, resume_distance=0.3, adapt_noise=False),
        {},
    ),
    "lag": (DeepSortSettings(lag_frames=5), {}),
    "linked, lag": (DeepSortSettings(lag_frames=3), {"link": LinkSettings(min_embeddings=2)}),
    "coasting, flow": (DeepSortSettings(), {"detect_every": 3, "flow": CameraMotionEstimator}),
    "watch": (DeepSortSettings(), {"flow": CameraWatch}),
}


_FAST = ("default", "linked, lag", "watch")
"""Cases of the default run; the others are slow tests."""


@pytest.mark.parametrize(
    "case",
    [case if case in _FAST else pytest.param(case, marks=pytest.mark.slow) for case in CASES],
)
@pytest.mark.slow
def test_continuing_anywhere_changes_nothing(case: str, film: Path) -> None:
    settings, more = CASES[case]

    def made() -> Pipeline:
        flow = more["flow"]() if "flow" in more else None
        rest = {key: value for key, value in more.items() if key != "flow"}
        return pipeline(settings, camera_motion=flow, **rest)

    taker, whole = EveryFrame(), []
    with VideoFile(film) as source:
        for result in made().run(source, snapshots=taker):
            whole.append(facts(result))
            taker.written += 1
    assert len(whole) == FRAMES
    assert [snapshot.frames for _, _, snapshot in taker.taken] == list(range(FRAMES))
    for written, data, snapshot in taker.taken[:: max(FRAMES // 9, 1)]:
        assert snapshot.results == written
        tracker_, lag, waiting, linker = state_from(data)
        read = replace(snapshot, tracker=tracker_, lag=lag, waiting=waiting, linker=linker)
        with VideoFile(film) as source:
            rest, frames = resumed_source(
                source.info, lambda start_s: VideoFile(film, start_s=start_s), read, 0.0
            )
            with rest:
                again = made().run(rest, resume=ResumePoint(read, frames))
                assert [facts(result) for result in again] == whole[written:]


def test_every_field_of_the_tracker_is_restored(film: Path) -> None:
    """Compares the objects themselves, not their states."""
    taker, first = EveryFrame(), pipeline(DeepSortSettings())
    with VideoFile(film) as source:
        run = first.run(source, snapshots=taker)
        for _ in run:
            pass
    snapshot = taker.taken[-1][2]
    second = pipeline(DeepSortSettings())
    with VideoFile(film) as source:
        rest, frames = resumed_source(
            source.info, lambda start_s: VideoFile(film, start_s=start_s), snapshot, 0.0
        )
        with rest:
            assert len(list(second.run(rest, resume=ResumePoint(snapshot, frames)))) == 1
    seen = set(differing(first._tracker, second._tracker, "tracker"))
    assert not seen


def differing(a: object, b: object, where: str) -> Iterator[str]:
    """Yields where two objects differ, through all attributes."""
    if type(a) is not type(b):
        yield where
    elif isinstance(a, np.ndarray):
        assert isinstance(b, np.ndarray)
        if a.tobytes() != b.tobytes() or a.dtype != b.dtype or a.shape != b.shape:
            yield where
    elif isinstance(a, dict):
        assert isinstance(b, dict)
        if a.keys() != b.keys():
            yield where
        for key in a:
            yield from differing(a[key], b[key], f"{where}[{key}]")
    elif hasattr(a, "__dict__") and type(a) in TRACKING.parts:
        for name in vars(a):
            yield from differing(getattr(a, name), getattr(b, name), f"{where}.{name}")
    elif repr(a) != repr(b) and a != b:  # NaN equals nothing
        yield where


def test_a_state_of_other_settings_is_refused(film: Path) -> None:
    taker = EveryFrame()
    with VideoFile(film) as source:
        for result in pipeline(DeepSortSettings()).run(source, snapshots=taker):
            if result.frame.index == 20:
                break
    snapshot = taker.taken[15][2]
    with VideoFile(film) as source:
        other = pipeline(DeepSortSettings(lag_frames=2))
        with pytest.raises(DataError, match="FixedLag"):
            next(other.run(source, resume=ResumePoint(snapshot)))
