"""Summaries of all tracks of a run, in few bytes for each finished one."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from math import hypot
from operator import itemgetter
from struct import Struct
from typing import Any

from tracker.tracks import Tracks

PATIENCE_FRAMES = 64
"""A track is packed once it was reported in none of the last 64 to 128 frames: by default the
tracker has deleted it by then (`max_age_s` = 2). One that is reported again costs 20 µs."""

_ID = Struct("<q")
_HEAD = Struct("<qqqdddddqiI")
"""Id, first and last frame, first and last time, path, centre, global id, a class and its frames:
80 bytes.
Times, path and centre are float64 as in `Life`, so that a track that is reported again continues
exactly."""
_VOTE = Struct("<qiI")
"""Id, another class and its frames: few tracks have more than one class."""


@dataclass(slots=True)
class Life:
    """The summary of one track.

    Attributes:
        first_frame: Number of the first frame in which it was reported.
        last_frame: Number of the last frame in which it was reported.
        first_time_s: Time of the first one in seconds.
        last_time_s: Time of the last one in seconds.
        path_px: Length of the path of its centre in pixels.
        x: Last position of its centre in pixels.
        y: As x.
        global_id: The last one that it had; -1 = none.
        votes: Number of frames with each class, by class index.
    """

    first_frame: int
    last_frame: int
    first_time_s: float
    last_time_s: float
    path_px: float
    x: float
    y: float
    global_id: int = -1
    votes: dict[int, int] = field(default_factory=dict)

    @property
    def numbers(self) -> tuple[int, int, float, float, float, float, float, int]:
        """All but the votes, in their order."""
        frames, times = (self.first_frame, self.last_frame), (self.first_time_s, self.last_time_s)
        return *frames, *times, self.path_px, self.x, self.y, self.global_id

    @property
    def frames(self) -> int:
        """Number of frames in which it was reported."""
        return sum(self.votes.values())

    @property
    def class_index(self) -> int:
        """The class that it had in the most frames; between equals the lower index."""
        return min(self.votes, key=lambda index: (-self.votes[index], index))


class TrackLives:
    """The summaries so far: objects while tracks are reported, about 80 bytes each after that.

    Tentative tracks (negative ids) are left out: their ids are provisional, and most of them
    are noise.

    Example:
        >>> lives = TrackLives()
        >>> lives.add(Tracks.empty(), frame=0, time_s=0.0)
        >>> len(lives), list(lives)
        (0, [])
    """

    def __init__(self) -> None:
        # Tracks reported since the last `_tidy_up`, and in the interval before it.
        self._recent: dict[int, Life] = {}
        self._older: dict[int, Life] = {}
        self._untidy_frames = 0
        self._heads = SortedRecords(_HEAD)
        self._votes = SortedRecords(_VOTE)

    def __len__(self) -> int:
        """Number of tracks."""
        return len(self._recent) + len(self._older) + len(self._heads)

    def __iter__(self) -> Iterator[tuple[int, Life]]:
        """Yields ids and lives, by rising id; the lives are not to be changed."""
        packed = ((head[0], self._unpacked(head)) for head in self._heads)
        present = sorted((self._recent | self._older).items())
        return merge(packed, present, key=itemgetter(0))

    def add(self, tracks: Tracks, *, frame: int, time_s: float) -> None:
        """Adds the tracks of one frame.

        Args:
            tracks: The reported tracks.
            frame: Number of the frame in its source.
            time_s: Its time in seconds.
        """
        columns = (tracks.ids, tracks.classes, tracks.global_ids, tracks.boxes)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for track_id, class_index, global_id, (x1, y1, x2, y2) in rows:
            if track_id < 0:
                continue
            x, y = (x1 + x2) / 2, (y1 + y2) / 2
            life = self._recent.get(track_id)
            if life is None:
                life = self._known(track_id) or Life(frame, frame, time_s, time_s, 0.0, x, y)
                self._recent[track_id] = life
            life.path_px += hypot(x - life.x, y - life.y)
            life.x, life.y = x, y
            life.global_id = global_id if global_id >= 0 else life.global_id
            life.last_frame, life.last_time_s = frame, time_s
            life.votes[class_index] = life.votes.get(class_index, 0) + 1
        self._untidy_frames += 1
        if self._untidy_frames == PATIENCE_FRAMES:
            self._tidy_up()

    def _known(self, track_id: int) -> Life | None:
        """Removes and returns the packed summary of a track."""
        if track_id in self._older:
            return self._older.pop(track_id)
        head = self._heads.find(track_id)
        if not head:
            return None
        life = self._unpacked(*head)
        self._heads.remove(track_id)
        self._votes.remove(track_id)
        return life

    def _tidy_up(self) -> None:
        for track_id, life in self._older.items():
            usual, *others = life.votes.items()
            self._heads.insert(track_id, [(track_id, *life.numbers, *usual)])
            self._votes.insert(track_id, [(track_id, *vote) for vote in others])
        self._older, self._recent = self._recent, {}
        self._untidy_frames = 0

    def _unpacked(self, head: tuple[Any, ...]) -> Life:
        track_id, *numbers, class_index, frames = head
        life = Life(*numbers)
        others = ((index, count) for _, index, count in self._votes.find(track_id))
        life.votes = {class_index: frames, **dict(others)}
        return life


class SortedRecords:
    """Records of one size in one block of memory, by rising id, which is their first number."""

    def __init__(self, layout: Struct) -> None:
        self._layout = layout
        # Grows in place by an eighth, and its unused part takes no resident memory.
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes) // self._layout.size

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        # Not `iter_unpack`: while its iterator exists, the block cannot grow.
        for place in range(0, len(self._bytes), self._layout.size):
            yield self._layout.unpack_from(self._bytes, place)

    def find(self, track_id: int) -> list[tuple[Any, ...]]:
        """Returns the records of an id, possibly none."""
        return list(self._layout.iter_unpack(self._bytes[self._span(track_id)]))

    def insert(self, track_id: int, records: list[tuple[Any, ...]]) -> None:
        """Adds records of an id that has none."""
        if records:
            # Tracks end roughly in order of birth: few bytes have to move.
            place = self._place(track_id)
            self._bytes[place:place] = b"".join(self._layout.pack(*record) for record in records)

    def remove(self, track_id: int) -> None:
        """Removes the records of an id."""
        del self._bytes[self._span(track_id)]

    def _span(self, track_id: int) -> slice:
        start = end = self._place(track_id)
        while end < len(self._bytes) and self._id_at(end) == track_id:
            end += self._layout.size
        return slice(start, end)

    def _place(self, track_id: int) -> int:
        """Returns the position of the records of an id, present or not."""
        size, end = self._layout.size, len(self._bytes)
        if not end or track_id > self._id_at(end - size):
            return end  # Most often: a new id is the highest.
        return size * bisect_left(range(0, end, size), track_id, key=self._id_at)

    def _id_at(self, place: int) -> int:
        number: int = _ID.unpack_from(self._bytes, place)[0]
        return number
