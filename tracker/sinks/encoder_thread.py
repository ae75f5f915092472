"""Encodes images in a thread of its own, in the order in which they are added."""

import os
import sys
import threading
import weakref
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from tracker.sinks.video_encoder import Recording
from tracker.util.arrays import UInt8Array
from tracker.util.channel import Cancelled, Channel

WAITING = 3
"""Images that may wait: enough to even out the bursts of an encoder."""

NICER = 5
"""Added to the nice value of the thread under Linux. A network waits for the slowest of its
threads, so an encoder that delays one delays all; at a lower priority it uses the time between."""


@dataclass(slots=True)
class _Progress:
    """What the thread has done.

    Attributes:
        encoded: Number of images.
        spare: Images that may be drawn into again.
        error: What ended the thread; `None` if nothing did.
        changed: Is notified when `encoded` or `error` changes.
    """

    encoded: int = 0
    spare: deque[UInt8Array] = field(default_factory=lambda: deque(maxlen=WAITING + 1))
    error: BaseException | None = None
    changed: threading.Condition = field(default_factory=threading.Condition)


class EncoderThread:
    """Adds images to a recording while the caller goes on.

    An error of the encoder is raised by the next call. Images are reused: memory is bounded, and
    the system need not clear new pages for each.

    Args:
        recording: The open file; until the end of the thread no one else adds to it.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._images: Channel[tuple[UInt8Array, float]] = Channel(WAITING)
        self._progress = _Progress()
        self._added = 0
        self._thread = threading.Thread(
            target=_encode,
            args=(recording, self._images, self._progress),
            name="tracker-encode",
            daemon=True,
        )
        # The thread of a sink that is dropped without `close` ends.
        weakref.finalize(self, self._images.cancel)
        self._thread.start()

    @property
    def sound_problem(self) -> str:
        """Why the sound is incomplete, or an empty text."""
        return self._recording.sound_problem

    def copy(self, path: str, frames: int) -> None:
        """Copies the first frames of an earlier file, before the first image is added.

        Raises:
            OSError: It has fewer frames, or cannot be read or written.
        """
        self._recording.copy(path, frames)

    def spare_image(self) -> UInt8Array | None:
        """Returns an image of the file's size to draw into, which was encoded before, if any."""
        try:
            return self._progress.spare.popleft()
        except IndexError:
            return None

    def add(self, image: UInt8Array, time_s: float) -> None:
        """Queues one image, which the caller no longer changes; waits while the queue is full.

        Raises:
            OSError: The size of the images changed, or the file was removed.
            BaseException: The error of an earlier image.
        """
        try:
            self._recording.check(image.shape)
        except OSError:
            self._drain()
            raise
        try:
            self._images.put((image, time_s))
        except Cancelled:
            self._drain()
            raise
        self._added += 1

    def holds(self, frames: int) -> bool:
        """Returns whether so many frames would survive the end of the program.

        It waits for the images that were added, so that a checkpoint depends on them alone.

        Raises:
            OSError: The file cannot be read, or the disk not be written.
        """
        progress = self._progress
        with progress.changed:
            progress.changed.wait_for(
                lambda: progress.encoded == self._added or progress.error is not None
            )
        return self._recording.holds(frames)

    def finish(self) -> None:
        """Encodes all images that wait, and completes the file.

        Raises:
            BaseException: The error of an image, or of the end of the file.
        """
        self._drain()
        self._recording.finish()

    def abandon(self) -> bool:
        """Closes the file, and returns whether its complete parts are still on disk."""
        self._images.cancel()
        self._thread.join()
        return self._recording.abandon()

    def _drain(self) -> None:
        """Waits for the end of the thread, and raises its error."""
        self._images.end()
        self._thread.join()
        if self._progress.error is not None:
            raise self._progress.error


def _encode(
    recording: Recording, images: Channel[tuple[UInt8Array, float]], progress: _Progress
) -> None:
    """Encodes images up to the end of the channel, or the first error."""
    _lower_priority()
    try:
        while (taken := images.take()) is not None:
            recording.add(*taken.item)
            progress.spare.append(taken.item[0])
            with progress.changed:
                progress.encoded += 1
                progress.changed.notify_all()
    except Cancelled:
        pass
    except BaseException as error:
        with progress.changed:
            progress.error = error
            progress.changed.notify_all()
        images.cancel()


def _lower_priority() -> None:
    """Lowers the priority of this thread, and of those of the encoder that it starts."""
    if sys.platform == "linux":  # Elsewhere it is that of the process.
        thread = threading.get_native_id()
        with suppress(OSError):
            nice = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, min(nice + NICER, 19))
