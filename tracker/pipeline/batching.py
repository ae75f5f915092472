"""Frames of many sources, gathered into batches.

Comes in: one channel of frames for each source. Goes out: at most one frame of each source at a
time, so that a source that is fast takes no turn from one that is slow.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from tracker.pipeline.threads import ReadFrame
from tracker.util.channel import Cancelled, Channel, Taken


@dataclass(frozen=True, slots=True)
class FrameOrEnd:
    """What came of one source.

    Attributes:
        index: The source.
        taken: Its next frame; `None` where it has ended.
        error: What it broke with; `None` where it came to its end, or goes on.
    """

    index: int
    taken: Taken[ReadFrame] | None
    error: BaseException | None = None


class Intake:
    """Takes frames of many sources; used by one thread.

    Args:
        channels: One for each source; they share `changed`.
        changed: Notified of every change.
        wait_s: Seconds to wait for the other sources once one has a frame.
    """

    def __init__(
        self,
        channels: Sequence[Channel[ReadFrame]],
        changed: threading.Condition,
        *,
        wait_s: float,
    ) -> None:
        self._open = dict(enumerate(channels))
        self._changed = changed
        self._wait_s = wait_s

    def take(self) -> list[FrameOrEnd]:
        """Returns what is there, by rising index; nothing once all sources have ended.

        It waits for the first source, and then `wait_s` at most for those that have nothing yet.

        Raises:
            Cancelled: A channel was cancelled, other than by `retire`.
        """
        with self._changed:
            channels = self._open.values()
            self._changed.wait_for(
                lambda: not channels or any(channel.is_ready for channel in channels)
            )
            self._changed.wait_for(
                lambda: all(channel.is_ready for channel in channels), self._wait_s
            )
            ready = [index for index, channel in self._open.items() if channel.is_ready]
            return [self._frame_or_end(index) for index in ready]

    def wait_for_next_if_due(self) -> None:
        """Where one source is left, whose frame is there and the next one due, waits for that.

        With several sources, `take` waits for the others as it is.
        """
        if len(self._open) == 1:
            (channel,) = self._open.values()
            channel.wait_for_next_if_due()

    def retire(self, index: int) -> None:
        """Ends a source of which enough was seen; its reader stops at its next frame."""
        self._open.pop(index).cancel()

    def _frame_or_end(self, index: int) -> FrameOrEnd:
        error: BaseException | None = None
        try:
            taken = self._open[index].take()
        except Cancelled:
            raise
        except BaseException as raised:
            taken, error = None, raised
        if taken is None:
            del self._open[index]
        return FrameOrEnd(index, taken, error)
