"""Exact frame numbers for decoded frames, also where frames are missing or reordered.

Comes in: packets as they are read and time stamps as frames are decoded. Goes out: each frame's
number in its file, and how many frames never came out of the decoder.
"""

import heapq


class Numbering:
    """Numbers frames by the rank of their time stamps among those of all packets read.

    Packets come in decoding order, frames in order of presentation; when a frame comes out, all
    packets that belong before it have been read. So every older time stamp still waiting is a
    frame that was lost, and its number stays a gap.

    Args:
        first_index: Number of the first frame.
        first_pts: Time stamp from which on packets count, in stream ticks; `None` where the
            container has no usable time stamps: then frames and failures are counted one by one.
    """

    def __init__(self, *, first_index: int, first_pts: int | None) -> None:
        self.skipped = 0
        self._next = first_index
        self._first_pts = first_pts
        self._waiting: list[int] = []

    @property
    def earliest(self) -> int | None:
        """The smallest time stamp read whose frame has not come out yet."""
        return self._waiting[0] if self._waiting else None

    def read(self, pts: int | None) -> None:
        """Notes the time stamp of a packet that is about to be decoded."""
        if self._first_pts is not None and pts is not None and pts >= self._first_pts:
            heapq.heappush(self._waiting, pts)

    def failed(self) -> None:
        """Notes that a packet could not be decoded."""
        if self._first_pts is None:
            self.lose(1)

    def decoded(self, pts: int | None) -> int:
        """Returns the number of a frame that was decoded.

        Args:
            pts: Its time stamp; frames before `first_pts` must not be passed.
        """
        if self._first_pts is not None and pts is not None:
            while self._waiting and self._waiting[0] < pts:
                heapq.heappop(self._waiting)
                self.lose(1)
            if self._waiting and self._waiting[0] == pts:
                heapq.heappop(self._waiting)
        index = self._next
        self._next += 1
        return index

    def finish(self, declared: int | None) -> None:
        """Counts as lost what never came out, up to the number of frames that the file declares."""
        self.lose(len(self._waiting))
        self._waiting.clear()
        if declared is not None:
            self.lose(max(declared - self._next, 0))

    def lose(self, count: int) -> None:
        """Leaves a gap of `count` frames."""
        self.skipped += count
        self._next += count
