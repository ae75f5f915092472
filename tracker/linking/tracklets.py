"""Tracklets: the tracks of several sources, each summarised over its whole length."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.util.arrays import (
    Float32Array,
    Float64Array,
    IndexArray,
    Int32Array,
    Int64Array,
    frozen,
)


@dataclass(frozen=True, slots=True, eq=False)
class Tracklets:
    """`N` tracks of several sources, by rising source, then first frame, then id.

    Attributes:
        sources: `(N,)` int32 index of the source.
        ids: `(N,)` int64 id within the source.
        classes: `(N,)` int32 class by vote; equal numbers are equal classes in all sources.
        frames: `(N, 2)` int32 first and last frame in which the track was seen.
        times: `(N, 2)` float64 times of these frames in seconds on a clock common to all sources,
            NaN where there is none.
        embeddings: `(N, D)` float32 mean embedding as a unit vector, zeros where there is none.
        counts: `(N,)` int32 number of embeddings.

    Raises:
        DataError: An array has the wrong shape or dtype.
    """

    sources: Int32Array
    ids: Int64Array
    classes: Int32Array
    frames: Int32Array
    times: Float64Array
    embeddings: Float32Array
    counts: Int32Array

    def __post_init__(self) -> None:
        order = np.lexsort((self.ids, np.reshape(self.frames, (-1, 2))[:, 0], self.sources))
        for name, (dtype, shape) in _LAYOUT.items():
            values = np.asarray(getattr(self, name))[order]
            array = frozen(
                values, dtype=dtype, shape=(len(order), *shape), name=f"Tracklets.{name}"
            )
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.ids)


_LAYOUT: dict[str, tuple[str, tuple[int | None, ...]]] = {
    "sources": ("int32", ()),
    "ids": ("int64", ()),
    "classes": ("int32", ()),
    "frames": ("int32", (2,)),
    "times": ("float64", (2,)),
    "embeddings": ("float32", (None,)),
    "counts": ("int32", ()),
}


def tracklets_of(
    recordings: Sequence[RecordedTracks], row_times: Sequence[Float64Array]
) -> Tracklets:
    """Returns the tracklets of recorded tracks.

    A track counts as seen in its matched rows; one without any, in all of its rows.

    Args:
        recordings: Tracks of each source; embeddings of one size.
        row_times: `(R,)` for each source: time of each row in seconds on the common clock, NaN
            where there is none.
    """
    names: dict[str, int] = {}
    columns: dict[str, list[object]] = {name: [] for name in _LAYOUT}
    for source, (tracks, times) in enumerate(zip(recordings, row_times, strict=True)):
        # MOT text has no class names: all of its tracks are of one class.
        classes = [names.setdefault(name, len(names)) for name in tracks.class_names or ("",)]
        for track_id, rows in _rows_by_id(tracks.ids):
            seen = rows[tracks.seen[rows]]
            seen = seen if len(seen) else rows
            mean, count = mean_embedding(tracks.embeddings[rows])
            ends = seen[[0, -1]]
            columns["sources"].append(source)
            columns["ids"].append(track_id)
            columns["classes"].append(classes[np.bincount(tracks.classes[rows]).argmax()])
            columns["frames"].append(tracks.frames[ends])
            columns["times"].append(times[ends])
            columns["embeddings"].append(mean)
            columns["counts"].append(count)
    return _from_columns(columns, max(tracks.embeddings.shape[1] for tracks in recordings))


def mean_embedding(embeddings: Float32Array) -> tuple[Float32Array, int]:
    """Returns the mean `(D,)` of unit vectors `(R, D)`, as a unit vector, and their number.

    Rows of zeros have no embedding and do not count; without any other the mean is zeros.
    """
    known = embeddings[np.any(embeddings, axis=1)]
    total = known.sum(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(total))
    return (total / length if length > 0 else total).astype(np.float32), len(known)


def _rows_by_id(ids: Int64Array) -> list[tuple[int, IndexArray]]:
    """Returns each id with its rows, which rise, as do the frames."""
    if not len(ids):
        return []
    order = np.argsort(ids, kind="stable")
    found, starts = np.unique(ids[order], return_index=True)
    return list(zip(found.tolist(), np.split(order, starts[1:]), strict=True))


def _from_columns(columns: dict[str, list[object]], dimension: int) -> Tracklets:
    arrays = {}
    for name, (dtype, shape) in _LAYOUT.items():
        width = tuple(dimension if size is None else size for size in shape)
        arrays[name] = np.array(columns[name], dtype).reshape(len(columns[name]), *width)
    return Tracklets(**arrays)
