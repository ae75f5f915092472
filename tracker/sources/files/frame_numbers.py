"""Exact numbers and time stamps of decoded frames, also where frames are missing or reordered.

Both classes get packets as they are read, in decoding order, and frames as the decoder returns
them, in order of presentation.
"""

import heapq
from collections import deque
from typing import Protocol

_MAX_REORDERED = 16
"""Frames that a decoder of H.264 or HEVC may hold back (ITU-T H.264, A.3.1: MaxDpbFrames)."""


class Numbering(Protocol):
    """Numbers frames, and counts those that the decoder never returned."""

    skipped: int

    def read(self, stamp: int | None) -> None:
        """Records the stamp of a packet that is about to be decoded."""
        ...

    def failed(self) -> None:
        """Records that a packet could not be decoded."""
        ...

    def decoded(self, stamp: int | None) -> tuple[int, int | None]:
        """Returns the number of a frame that was decoded, and when it is shown in ticks."""
        ...

    def finish(self) -> None:
        """Counts the remaining packets as lost frames."""
        ...


class RankNumbering:
    """Numbers frames by the rank of their time stamps among those of all packets read.

    When the decoder returns a frame, all packets shown before it have been read. So every older
    pending time stamp is a lost frame, and its number stays unused.

    Args:
        first_index: Number of the first frame.
        first_stamp: Time stamp from which on packets count, in stream ticks; `None` where there are
            none: then frames and failures are counted one by one.
    """

    def __init__(self, *, first_index: int, first_stamp: int | None) -> None:
        self.skipped = 0
        self._next = first_index
        self._first_stamp = first_stamp
        self._waiting: list[int] = []

    def read(self, stamp: int | None) -> None:
        """Records the time stamp of a packet that is about to be decoded."""
        if self._first_stamp is not None and stamp is not None and stamp >= self._first_stamp:
            heapq.heappush(self._waiting, stamp)

    def failed(self) -> None:
        """Records that a packet could not be decoded."""
        if self._first_stamp is None:
            self._lose(1)

    def decoded(self, stamp: int | None) -> tuple[int, int | None]:
        """Returns the number of a frame that was decoded, and its time stamp.

        Args:
            stamp: Its time stamp; frames before `first_stamp` must not be passed.
        """
        if self._first_stamp is not None and stamp is not None:
            while self._waiting and self._waiting[0] < stamp:
                heapq.heappop(self._waiting)
                self._lose(1)
            if self._waiting and self._waiting[0] == stamp:
                heapq.heappop(self._waiting)
        index = self._next
        self._next += 1
        return index, stamp

    def finish(self) -> None:
        """Counts the remaining packets as lost frames."""
        self._lose(len(self._waiting))
        self._waiting.clear()

    def _lose(self, count: int) -> None:
        self.skipped += count
        self._next += count


class SlotNumbering:
    """Assigns packet slots to frames in order, where stamps only distinguish packets.

    A packet without a frame after `_MAX_REORDERED` later ones have been decoded was lost, and
    leaves a gap from there on.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._next = 0
        self._slots: deque[int] = deque()
        self._order: dict[int, int] = {}  # packets without a frame yet: their number by their slot
        self._read = 0

    def read(self, stamp: int | None) -> None:
        """Records the slot of a packet that is about to be decoded."""
        if stamp is not None:
            self._slots.append(stamp)
            self._order[stamp] = self._read
            self._read += 1

    def failed(self) -> None:
        """Does nothing: a packet without a frame is found later."""

    def decoded(self, stamp: int | None) -> tuple[int, int | None]:
        """Returns the number of a frame that was decoded, and its slot.

        Args:
            stamp: The slot of the packet that it was decoded from.
        """
        number = 0 if stamp is None else self._order.pop(stamp, 0)
        while self._order and next(iter(self._order.values())) < number - _MAX_REORDERED:
            del self._order[next(iter(self._order))]
            self._lose()
        index = self._next
        self._next += 1
        return index, self._slots.popleft() if self._slots else None

    def finish(self) -> None:
        """Counts the remaining packets as lost frames."""
        self.skipped += len(self._order)
        self._order.clear()

    def _lose(self) -> None:
        self.skipped += 1
        self._next += 1
        if self._slots:
            self._slots.popleft()
