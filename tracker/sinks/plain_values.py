"""Tracks as plain values: the rounding, names and checks shared by all text formats."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tracker.errors import DataError
from tracker.tracks import Tracks, TrackState

BOX_DECIMALS = 2
VELOCITY_DECIMALS = 2
SCORE_DECIMALS = 4
TIME_DECIMALS = 6

_SCALE = 10.0 ** np.array([BOX_DECIMALS] * 4 + [VELOCITY_DECIMALS] * 2 + [SCORE_DECIMALS] * 2)

STATE_NAMES = {state.value: state.name.lower() for state in TrackState}


class TrackRow(NamedTuple):
    """One track in one frame: box and velocity with 2 decimals, scores with 4.

    `global_id` is -1 where it has none.
    """

    id: int
    class_name: str
    score: float
    box: list[float]
    state: str
    velocity: list[float]
    age: int
    misses: int
    class_score: float
    global_id: int


def class_name(class_names: Sequence[str], index: int) -> str:
    """Returns the name of a class.

    Raises:
        DataError: There are fewer names than classes.
    """
    if not 0 <= index < len(class_names):
        raise DataError(
            f"class {index} has no name: the detector has {len(class_names)} class names; "
            "check the file of names"
        )
    return class_names[index]


def track_rows(tracks: Tracks, class_names: Sequence[str]) -> list[TrackRow]:
    """Returns the tracks as rows, in their order.

    Raises:
        DataError: A value is not finite, a state is unknown, or a class has no name.
    """
    if not len(tracks):
        return []
    columns = zip(
        tracks.ids.tolist(),
        [class_name(class_names, index) for index in tracks.classes.tolist()],
        [_state_name(state) for state in tracks.states.tolist()],
        tracks.ages.tolist(),
        tracks.misses.tolist(),
        tracks.global_ids.tolist(),
        _rounded(tracks),
        strict=True,
    )
    return [
        TrackRow(
            *(number, name, score, [x1, y1, x2, y2], state, [vx, vy], age, misses, class_score),
            global_id,
        )
        for number, name, state, age, misses, global_id, (
            x1,
            y1,
            x2,
            y2,
            vx,
            vy,
            score,
            class_score,
        ) in columns
    ]


def _state_name(state: int) -> str:
    try:
        return STATE_NAMES[state]
    except KeyError:
        raise DataError(f"Tracks.states: expected {STATE_NAMES}, got {state}") from None


def _rounded(tracks: Tracks) -> list[list[float]]:
    """Returns box, velocity, score and class score of each track."""
    # All columns at once: for ten tracks the calls cost more than the arithmetic.
    values = np.empty((len(tracks), 8), np.float64)
    values[:, 0:4] = tracks.boxes
    values[:, 4:6] = tracks.velocities
    values[:, 6] = tracks.scores
    values[:, 7] = tracks.class_scores
    if not np.isfinite(values).all():
        raise DataError("Tracks: expected finite boxes, velocities and scores, got NaN or infinity")
    # Dividing in float64 gives the short decimal; adding 0 turns -0.0 into 0.0.
    rounded: list[list[float]] = (np.rint(values * _SCALE) / _SCALE + 0.0).tolist()
    return rounded
