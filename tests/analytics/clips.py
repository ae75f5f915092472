"""Hand-made and generated tracks for the tests of analytics."""

from collections.abc import Iterable, Sequence

import numpy as np

from tracker.analytics.analyser import Analyser
from tracker.analytics.events import Event
from tracker.analytics.settings import AnalyticsSettings
from tracker.tracks import Tracks, TrackState

SIZE = (200, 100)
NAMES = ("person", "car")

Row = tuple[int, float, float] | tuple[int, float, float, int]


def tracks_at(*rows: Row, size: float = 10.0, state: TrackState = TrackState.CONFIRMED) -> Tracks:
    """Each row is (id, x, y) or (id, x, y, class); x and y of the middle of the lower edge."""
    count = len(rows)
    foot = np.array([row[1:3] for row in rows], np.float64).reshape(-1, 2)
    half = np.array([size / 2, 0.0])
    boxes = np.hstack([foot - half - [0, size], foot + half])
    return boxed(
        [row[0] for row in rows],
        boxes,
        classes=[row[3] if len(row) > 3 else 0 for row in rows],
        states=[state] * count,
    )


def boxed(
    ids: Sequence[int],
    boxes: np.ndarray,
    classes: Sequence[int] | None = None,
    states: Sequence[int] | None = None,
) -> Tracks:
    count = len(ids)
    return Tracks(
        ids=np.array(ids, np.int64),
        boxes=np.asarray(boxes, np.float32).reshape(-1, 4),
        velocities=np.zeros((count, 2), np.float32),
        scores=np.ones(count, np.float32),
        classes=np.array([0] * count if classes is None else classes, np.int32),
        class_scores=np.ones(count, np.float32),
        states=np.array([TrackState.CONFIRMED] * count if states is None else states, np.uint8),
        ages=np.ones(count, np.int32),
        misses=np.zeros(count, np.int32),
        detection_index=np.arange(count, dtype=np.int32),
    )


def analysed(
    settings: AnalyticsSettings, frames: Iterable[Tracks], *, interval_s: float = 1.0
) -> tuple[list[Event], Analyser]:
    """Returns all events of frames at 0, 1, 2, ... intervals, and the analyser."""
    analyser = Analyser(settings, SIZE, NAMES)
    events = [
        event
        for index, tracks in enumerate(frames)
        for event in analyser.update(tracks, index * interval_s)
    ]
    return [*events, *analyser.finish()], analyser


def walked(*points: tuple[float, float] | None, track_id: int = 1) -> list[Tracks]:
    """Frames of one track; `None` where it is not detected."""
    return [Tracks.empty() if point is None else tracks_at((track_id, *point)) for point in points]


def told(events: Iterable[Event]) -> list[tuple[object, ...]]:
    """Kind, place, direction or manner, and time of events, without those of whole tracks."""
    return [
        (event.kind.value, event.place, str(event.direction or event.how), round(event.time_s, 6))
        for event in events
        if event.place
    ]
