"""Rows of other formats as the frame objects of `docs/json-format.md`."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tracker.errors import DataError
from tracker.track_files.json_file import Header, Recording, recording_of
from tracker.track_files.mot import LARGEST_FRAME
from tracker.util.short_repr import short_repr

MOST_FILLED = 200_000
"""Frames between two keyframes, at most."""

MOST_TRAILING = 20_000
"""Frames after the last track that a reader adds, at most: a wrong number of frames is no reason to
fill the memory."""

_OURS = re.compile(r"frame_(\d+)")
_LAST_NUMBER = re.compile(r"(\d+)\D*")


class FrameObjects:
    """Frame objects by frame number, gathered in any order.

    Args:
        path: What messages call the file.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = str(path)
        self._frames: dict[int, dict[str, Any]] = {}
        self._places: dict[int, str] = {}

    def frame(self, number: int, *, place: str | None = None) -> dict[str, Any]:
        """Returns the object of a frame, a new one for a number that was not there yet.

        Args:
            number: From 0.
            place: What messages call it; `None` for the file.

        Raises:
            DataError: The number is none that a frame can have.
        """
        place = place or self._path
        if isinstance(number, bool) or not isinstance(number, int):
            raise DataError(f"{place}: expected a whole frame number, got {short_repr(number)}")
        if not 0 <= number < LARGEST_FRAME:
            raise DataError(
                f"{place}: expected a frame number from 0 to {LARGEST_FRAME - 1}, got "
                f"{short_repr(number)}"
            )
        self._places.setdefault(number, place)
        return self._frames.setdefault(number, {"kind": "frame", "frame": number, "tracks": []})

    def add(self, number: int, track: dict[str, Any], *, place: str | None = None) -> None:
        """Adds a track object to a frame."""
        self.frame(number, place=place)["tracks"].append(track)

    def fill(self, count: int) -> None:
        """Adds frames without tracks, so that there are all from 0 to `count` - 1.

        After the last track at most `MOST_TRAILING` are added.
        """
        last = max(self._frames, default=-1)
        for number in range(min(count, last + 1 + MOST_TRAILING)):
            self.frame(number)

    def recording(self, header: Header | None) -> Recording:
        """Returns the recording; its header is what the format had of one.

        Args:
            header: The header; `None` where the format has no frame size.

        Raises:
            DataError: A value is malformed.
        """
        records = [(self._places[n], self._frames[n]) for n in sorted(self._frames)]
        recording = recording_of(header or Header(), records, path=self._path)
        return Recording(recording.tracks, header, recording.frames, complete=True)


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A box of a track in an annotation program, which interpolates between two of them.

    Attributes:
        frame: Number of the frame, from 0.
        box: xyxy in pixels.
        goes_on: Whether the track is visible up to the next keyframe.
        is_shown: Whether it is visible in this frame.
        extra: Further keys of the track object.
    """

    frame: int
    box: Sequence[float]
    goes_on: bool = True
    is_shown: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)


def add_interpolated(
    frames: FrameObjects, track: Mapping[str, Any], keyframes: Iterable[Keyframe], *, place: str
) -> None:
    """Adds the boxes of one track, and between two keyframes boxes on the straight line.

    Interpolated boxes have the state `lost`.

    Args:
        frames: Where to add them.
        track: Keys of the track object besides `box`.
        keyframes: Its keyframes.
        place: What messages call the track.

    Raises:
        DataError: A frame number is wrong, or a frame has two boxes.
    """
    ordered = sorted(keyframes, key=lambda one: one.frame)
    for this, after in zip_longest(ordered, ordered[1:]):
        if after is not None and after.frame == this.frame:
            raise DataError(f"{place}: expected one box in a frame, got two in frame {this.frame}")
        if this.is_shown:
            found = {**track, "box": list(this.box), **dict(this.extra)}
            frames.add(this.frame, found, place=place)
        if after is None or not this.goes_on:
            continue
        if after.frame - this.frame > MOST_FILLED:
            raise DataError(
                f"{place}: expected at most {MOST_FILLED} frames between two keyframes, got "
                f"{after.frame - this.frame} after frame {this.frame}"
            )
        for frame in range(this.frame + 1, after.frame):
            share = (frame - this.frame) / (after.frame - this.frame)
            box = [a + share * (b - a) for a, b in zip(this.box, after.box, strict=True)]
            state = {"state": "lost", "misses": frame - this.frame}
            frames.add(frame, {**track, **state, "box": box}, place=place)


def frames_of_names(names: Sequence[str]) -> list[int]:
    """Returns the frame number of each file name, from 0.

    `frame_N` counts from 0, as in this package and in CVAT; other names that end with a number
    from 1, as those of MOTChallenge and most trackers, or from 0 where one of them has a 0.
    Without numbers it is the place in the alphabet.

    Args:
        names: File names without their ending, all different.

    Example:
        >>> frames_of_names(["frame_7", "frame_12"]), frames_of_names(["clip_1", "clip_4"])
        ([7, 12], [0, 3])
        >>> frames_of_names(["b", "a"])
        [1, 0]
    """
    ours = [_OURS.fullmatch(name) for name in names]
    if all(ours):
        return [int(match[1]) for match in ours if match is not None]
    found = [_LAST_NUMBER.search(name[::-1]) for name in names]
    numbers = [int(match[1][::-1]) for match in found if match is not None]
    if len(numbers) == len(names) and len(set(numbers)) == len(numbers):
        first = min(1, min(numbers, default=1))
        return [number - first for number in numbers]
    rank = {name: place for place, name in enumerate(sorted(names))}
    return [rank[name] for name in names]


def votes_by_id(ids: Iterable[int], classes: Iterable[int]) -> dict[int, int]:
    """Returns the class that each id has most often; of equals the lower one.

    Example:
        >>> votes_by_id([1, 1, 1, 2], [5, 0, 0, 5])
        {1: 0, 2: 5}
    """
    votes: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for number, index in zip(ids, classes, strict=True):
        votes[number][index] += 1
    return {n: min(found, key=lambda c: (-found[c], c)) for n, found in votes.items()}
