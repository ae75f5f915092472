"""The tracks of frame objects (`docs/json-format.md`) as columns.

Tracks are gathered and checked many at a time: objects with the same keys, as a run writes them,
column by column, which takes a seventh of the time. All others, and those with a fault, are read
one by one, so that a message names the place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from tracker.errors import DataError
from tracker.masks import Mask, mask_from_coco
from tracker.track_files import values
from tracker.track_files.embedding_base64 import decode_embedding
from tracker.track_files.frame_facts import FrameFacts
from tracker.track_files.mot import LARGEST_ID
from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.track_files.track_columns import EMPTY, MOST_FRAMES, columns_of
from tracker.util.arrays import Float32Array
from tracker.util.short_repr import short_repr

_TOGETHER = 8192
"""Tracks that are checked at once; their objects take some 10 MB."""


def naming_place(place: str, read: Any, *given: Any) -> Any:
    """Returns the result of `read`; its errors name the place."""
    try:
        return read(*given)
    except DataError as error:
        joint = ", " if str(error).startswith("id ") else ": "
        raise DataError(f"{place}{joint}{error}") from error


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Columns of some rows.

    Attributes:
        columns: Arrays by the names of `RecordedTracks`.
        embeddings: The embedding of each row that has one, by place; empty for most files.
        masks: The same of masks.
    """

    columns: Mapping[str, Any]
    embeddings: Mapping[int, Float32Array]
    masks: Mapping[int, Mask]


class TrackRows:
    """Rows of tracks, gathered frame by frame.

    Args:
        class_names: Names by class index, from the header; others are added as they come.
        embedding_size: Numbers of each embedding, 0 where there are none.
    """

    def __init__(self, class_names: Sequence[str], embedding_size: int) -> None:
        self._embedding_size = embedding_size
        self._names: dict[str, int] = {}
        for name in class_names:
            self._names.setdefault(name, len(self._names))
        self._waiting: list[tuple[str, FrameFacts, list[Any]]] = []
        self._count = 0
        self._parts: list[_Part] = []

    def add(self, place: str, facts: FrameFacts, tracks: list[Any]) -> None:
        """Adds the track objects of a frame.

        Args:
            place: What messages call the frame.
            facts: The frame.
            tracks: Its tracks.

        Raises:
            DataError: An object of this frame, or of one before, is malformed.
        """
        self._waiting.append((place, facts, tracks))
        self._count += len(tracks)
        if self._count >= _TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Checks all tracks that were added.

        Raises:
            DataError: An object is malformed; the message names the place of the first one.
        """
        waiting, self._waiting, self._count = self._waiting, [], 0
        tracks = list(chain.from_iterable(tracks for _, _, tracks in waiting))
        if not tracks:
            return
        columns = columns_of(tracks)
        if columns is None:
            self._parts.append(self._one_by_one(waiting))
            return
        counts = [len(found) for _, _, found in waiting]
        times = [facts.time_s for _, facts, _ in waiting]
        coasted = np.repeat([facts.is_coasted for _, facts, _ in waiting], counts)
        names = [self._names.setdefault(name, len(self._names)) for name in columns.pop("class")]
        columns["classes"] = np.array(names, np.int32)
        columns["frames"] = np.repeat([facts.index for _, facts, _ in waiting], counts)
        columns["times_s"] = np.repeat(np.array(times, np.float64), counts)
        columns["seen"] &= ~coasted
        self._parts.append(_Part(columns, {}, {}))

    def tracks(self, frame_count: int | None, fps: float | None) -> RecordedTracks:
        """Returns all rows as arrays.

        Args:
            frame_count: Frames that the writer counted, or `None`.
            fps: Nominal frames a second, or `None`.

        Raises:
            DataError: An object is malformed, or an id occurs twice in a frame.
        """
        self.flush()
        columns = {
            name: np.concatenate(
                [np.zeros(shape, dtype), *(one.columns[name] for one in self._parts)]
            )
            for name, (dtype, shape) in EMPTY.items()
        }
        count = len(columns["ids"])
        starts = np.cumsum([0, *(len(one.columns["ids"]) for one in self._parts)]).tolist()
        embeddings = np.zeros((count, self._embedding_size), np.float32)
        masks: list[Mask | None] = [None] * count
        for start, part in zip(starts, self._parts, strict=False):
            for row, vector in part.embeddings.items():
                embeddings[start + row] = vector
            for row, mask in part.masks.items():
                masks[start + row] = mask
        has_masks = any(part.masks for part in self._parts)
        return RecordedTracks(
            **columns,
            embeddings=embeddings,
            class_names=tuple(self._names),
            frame_count=frame_count,
            fps=fps,
            masks=tuple(masks) if has_masks else None,
        )

    def _one_by_one(self, waiting: Sequence[tuple[str, FrameFacts, list[Any]]]) -> _Part:
        rows: list[_Row] = []
        embeddings: dict[int, Float32Array] = {}
        masks: dict[int, Mask] = {}
        for place, facts, tracks in waiting:
            for track in tracks:
                row, vector, mask = naming_place(place, self._row, track, facts)
                if row is None:
                    continue
                if vector is not None:
                    embeddings[len(rows)] = vector
                if mask is not None:
                    masks[len(rows)] = mask
                rows.append(row)
        return _Part(_columns_of_rows(rows), embeddings, masks)

    def _row(
        self, track: Any, facts: FrameFacts
    ) -> tuple["_Row | None", Float32Array | None, Mask | None]:
        """Returns the row of a track with its embedding and mask; none for a tentative track."""
        if not isinstance(track, dict):
            raise DataError(f"expected a track object, got {short_repr(track)}")
        number = track.get("id")
        if isinstance(number, int) and number < 0:
            return None, None, None
        number = values.whole(number, "id", most=LARGEST_ID)
        try:
            motion = _motion(track)
            corners, score = _box(track), values.number(track.get("score"), "score")
            name = values.text(track.get("class"), "class")
            state = values.text(track.get("state", ""), "state")
            misses = values.whole(track.get("misses", 0), "misses")
            vector = _embedding(track, self._embedding_size)
            is_seen = not facts.is_coasted and state != "lost" and not misses
            index = self._names.setdefault(name, len(self._names))
            global_id = -1
            if "global_id" in track:
                global_id = values.whole(track["global_id"], "global_id", most=LARGEST_ID)
            mask = _mask(track)
        except DataError as error:
            raise DataError(f"id {number}: {error}") from error
        details = (facts.time_s, *motion)
        return (
            (facts.index, number, corners, score, index, is_seen, global_id, details),
            vector,
            mask,
        )


_Details = tuple[float | None, ...]
_Row = tuple[int, int, list[float], float, int, bool, int, _Details]


def _columns_of_rows(rows: Sequence[_Row]) -> dict[str, Any]:
    if not rows:
        return {name: np.zeros(shape, dtype) for name, (dtype, shape) in EMPTY.items()}
    frames, ids, boxes, scores, classes, seen, global_ids, more = zip(*rows, strict=True)
    # An unknown time, velocity or share is `None`, which becomes NaN.
    details = np.array(more, np.float64).reshape(-1, 6)
    return {
        "frames": np.array(frames, np.int32),
        "ids": np.array(ids, np.int64),
        "boxes": np.array(boxes, np.float64),
        "scores": np.array(scores, np.float32),
        "classes": np.array(classes, np.int32),
        "seen": np.array(seen, np.bool_),
        "global_ids": np.array(global_ids, np.int64),
        "times_s": details[:, 0],
        "velocities": details[:, 1:3].astype(np.float32),
        "ages": details[:, 3].astype(np.int32),
        "misses": details[:, 4].astype(np.int32),
        "class_scores": details[:, 5].astype(np.float32),
    }


def _box(track: Mapping[str, Any]) -> list[float]:
    box = track.get("box")
    if not isinstance(box, list) or len(box) != 4:
        raise DataError(f"expected a box of 4 numbers, got {short_repr(box)}")
    return [values.number(value, "box") for value in box]


def _motion(track: Mapping[str, Any]) -> _Details:
    """Returns velocity x and y, age, misses and class score; `None`, 0 and -1 where unknown."""
    vx = vy = None
    if track.get("velocity") is not None:
        pair = values.entries(track["velocity"], "velocity")
        if len(pair) != 2:
            raise DataError(f"'velocity': expected 2 numbers, got {short_repr(pair)}")
        vx, vy = (values.number(value, "velocity") for value in pair)
    age = values.whole(track.get("age", 0), "age", most=MOST_FRAMES)
    misses = -1
    if "misses" in track:
        misses = values.whole(track["misses"], "misses", most=MOST_FRAMES)
    share = track.get("class_score")
    return vx, vy, age, misses, None if share is None else values.number(share, "class_score")


def _embedding(track: Mapping[str, Any], width: int) -> Float32Array | None:
    if "embedding" not in track:
        return None
    if not width:
        raise DataError("'embedding': expected 'embedding_size' in the header, got none")
    try:
        return decode_embedding(track["embedding"], width)
    except DataError as error:
        raise DataError(f"'embedding': {error}") from error


def _mask(track: Mapping[str, Any]) -> Mask | None:
    if "mask" not in track:
        return None
    try:
        return mask_from_coco(track["mask"])
    except DataError as error:
        raise DataError(f"'mask': {error}") from error
