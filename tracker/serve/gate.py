"""Sources that can be paused, and recordings that play at their own rate."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from tracker.frames import Frame, Source, VideoInfo
from tracker.util.closing import Closing

_LATE_S = 0.5
"""Seconds by which a frame may be late before all later ones are due later as well."""


class Gate:
    """Closed, it holds the frames of a recording back; used by several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_closed = False
        self._has_ended = False

    @property
    def is_paused(self) -> bool:
        """Whether frames are held back."""
        return self._is_closed

    @property
    def has_ended(self) -> bool:
        """Whether `end` was called."""
        return self._has_ended

    def pause(self) -> None:
        """Holds frames back."""
        self._set(closed=True)

    def resume(self) -> None:
        """Lets frames pass."""
        self._set(closed=False)

    def end(self) -> None:
        """Ends every wait, for good."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def wait_until_open(self) -> bool:
        """Waits while frames are held back; returns whether it had to."""
        with self._changed:
            was_closed = self._is_closed
            self._changed.wait_for(lambda: not self._is_closed or self._has_ended)
            return was_closed

    def wait_until(self, due_s: float) -> bool:
        """Waits until a time of `time.monotonic`; returns false as soon as frames are held back."""
        with self._changed:
            while not (self._is_closed or self._has_ended):
                left_s = due_s - time.monotonic()
                if left_s <= 0:
                    return True
                self._changed.wait(left_s)
            return False

    def _set(self, *, closed: bool) -> None:
        with self._changed:
            self._is_closed = closed
            self._changed.notify_all()


class Schedule:
    """When the frames of a recording are due, if it plays at its own rate.

    Args:
        gate: A recording that is paused continues where it stopped.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._origin_s: float | None = None

    def wait(self, time_s: float) -> float:
        """Waits until a frame is due, and returns that moment on `time.monotonic`.

        A frame that is late by more than half a second moves the schedule: reading is too slow, and
        hurrying would not help.

        Args:
            time_s: Time of the frame in the recording.
        """
        while not self._gate.has_ended:
            if self._gate.wait_until_open() or self._origin_s is None:
                self._origin_s = time.monotonic() - time_s
            if time.monotonic() - (self._origin_s + time_s) > _LATE_S:
                self._origin_s = time.monotonic() - time_s
            if self._gate.wait_until(self._origin_s + time_s):
                break
        return time.monotonic() if self._origin_s is None else self._origin_s + time_s


class GatedSource(Closing):
    """A source whose frames pass a gate.

    A live source goes on while the gate is closed: its frames are dropped. A recording waits.

    Args:
        source: The source; it is closed with this one.
        gate: The gate.
        paced: Whether a recording plays at its own rate. It is then like a live source: a
            pipeline that is too slow for it drops frames.
        name: What results call the source; `None` for its own name.
    """

    def __init__(self, source: Source, gate: Gate, *, paced: bool, name: str | None = None) -> None:
        self._source, self._gate = source, gate
        self._is_live = source.info.is_live
        self._schedule = Schedule(gate) if paced and not self._is_live else None
        self.last_frame_s = time.monotonic()
        """When the last frame came, on `time.monotonic`."""
        info = source.info if name is None else replace(source.info, source=name)
        if self._schedule is not None:
            info = replace(info, is_live=True, audio_path=None, start_s=0.0)
        self.info: VideoInfo = info
        """The facts known before the first frame."""

    @property
    def skipped(self) -> int:
        """Frames so far that could not be decoded."""
        return self._source.skipped

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._source:
            self.last_frame_s = time.monotonic()
            if self._is_live and self._gate.is_paused:
                continue
            if self._schedule is not None:
                due_s = self._schedule.wait(frame.time_s)
                wall_s = time.time() - (time.monotonic() - due_s)
                frame = replace(frame, captured_s=due_s, wall_time_s=wall_s)  # noqa: PLW2901
            elif not self._is_live:
                self._gate.wait_until_open()
            if self._gate.has_ended:
                return
            yield frame

    def close(self) -> None:
        """Closes the source and ends the wait for the gate."""
        self._gate.end()
        self._source.close()
