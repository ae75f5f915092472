"""Frames of several sources, gathered into batches.

A batch has at most one frame of each source, so that a fast source does not starve a slow one.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from tracker.pipeline.threads import ReadFrame
from tracker.util.channel import Cancelled, Channel, Taken


@dataclass(frozen=True, slots=True)
class FrameOrEnd:
    """The next frame, or the end, of one source.

    Attributes:
        index: The source.
        taken: Its next frame; `None` where it has ended.
        error: Its error; `None` at a regular end, and where it continues.
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
        """Returns the available frames and ends by index; empty once all sources ended.

        It waits for the first source, and then at most `wait_s` for the others.

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
        """Where one source is left and its next frame is due, waits for that frame.

        With several sources, `take` waits for the others anyway.
        """
        if len(self._open) == 1:
            (channel,) = self._open.values()
            channel.wait_for_next_if_due()

    def retire(self, index: int) -> None:
        """Ends a source early; its reader stops at its next frame."""
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
