"""Track objects of JSON with the same keys, checked column by column."""

from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np

from tracker.track_files import values
from tracker.track_files.mot import LARGEST_ID
from tracker.util.arrays import Float64Array

MOST_FRAMES = 2**31 - 1
"""The largest age."""

EMPTY: dict[str, tuple[str, tuple[int, ...]]] = {
    "frames": ("int32", (0,)),
    "ids": ("int64", (0,)),
    "boxes": ("float64", (0, 4)),
    "scores": ("float32", (0,)),
    "classes": ("int32", (0,)),
    "seen": ("bool", (0,)),
    "global_ids": ("int64", (0,)),
    "times_s": ("float64", (0,)),
    "velocities": ("float32", (0, 2)),
    "ages": ("int32", (0,)),
    "misses": ("int32", (0,)),
    "class_scores": ("float32", (0,)),
}
"""Types and shapes of the columns without rows, by their names in `RecordedTracks`."""

_REQUIRED = ("id", "class", "score", "box")
_OPTIONAL = ("state", "misses", "velocity", "age", "class_score")
_RARE = frozenset(("embedding", "mask", "global_id"))
_NUMBERS = frozenset((int, float))


def columns_of(tracks: Sequence[Any]) -> dict[str, Any] | None:
    """Returns the columns of track objects with the same keys, all values checked.

    `None` where any value is not what a run writes: the objects have to be read one by one.
    `class` is a list of names, and `seen` does not know of coasted frames.
    """
    if set(map(type, tracks)) != {dict}:
        return None
    layouts = set(map(tuple, tracks))
    layout = layouts.pop()
    if layouts or not set(_REQUIRED) <= set(layout) or not _RARE.isdisjoint(layout):
        return None
    wanted = [*_REQUIRED, *(key for key in _OPTIONAL if key in layout)]
    found = dict(zip(wanted, zip(*map(itemgetter(*wanted), tracks), strict=True), strict=True))
    count = len(tracks)
    numbers = {
        "ids": _whole_numbers(found["id"], LARGEST_ID),
        "boxes": _number_lists(found["box"], 4),
        "scores": _numbers(found["score"]),
        "misses": _whole_numbers(found.get("misses", (0,) * count), MOST_FRAMES),
        "ages": _whole_numbers(found.get("age", (0,) * count), MOST_FRAMES),
        "velocities": _number_lists(found["velocity"], 2) if "velocity" in found else _NAN,
        "class_scores": _numbers(found["class_score"]) if "class_score" in found else _NAN,
    }
    names, states = found["class"], found.get("state", ("",))
    is_text = set(map(type, names)) == set(map(type, states)) == {str}
    if not is_text or any(column is None for column in numbers.values()):
        return None
    is_lost = np.array([state == "lost" for state in states])
    columns: dict[str, Any] = {
        name: np.broadcast_to(numbers[name], (count, *shape[1:])).astype(dtype)
        for name, (dtype, shape) in EMPTY.items()
        if name in numbers
    }
    columns["seen"] = ~is_lost & (columns["misses"] == 0)
    if "misses" not in found:
        columns["misses"][:] = -1
    return columns | {"class": names, "global_ids": np.full(count, -1, np.int64)}


_NAN = np.full(1, np.nan)


def _whole_numbers(found: Sequence[Any], most: int) -> Any:
    """Returns `(n,)` whole numbers from 0 to `most`; `None` where one is something else."""
    if set(map(type, found)) != {int} or min(found) < 0 or max(found) > most:
        return None
    return np.array(found, np.int64)


def _numbers(found: Sequence[Any]) -> Float64Array | None:
    """Returns `(n,)` numbers that coordinates or scores can be; `None` where one is not."""
    if not set(map(type, found)) <= _NUMBERS:
        return None
    largest = values.LARGEST_VALUE
    # An int may be larger than any float, and NaN is neither above nor below.
    if not -largest <= min(found) or not max(found) <= largest:
        return None
    array = np.array(found, np.float64)
    return None if np.isnan(array).any() else array


def _number_lists(found: Sequence[Any], length: int) -> Float64Array | None:
    """Returns `(n, length)` numbers of lists; `None` where one is something else."""
    if set(map(type, found)) != {list} or set(map(len, found)) != {length}:
        return None
    array = _numbers(list(chain.from_iterable(found)))
    return None if array is None else array.reshape(-1, length)
