"""Cameras, opened by OpenCV.

Frames are converted from BGR to RGB here.
"""

import logging
import math
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tracker.errors import SourceError
from tracker.frames import Frame, VideoInfo
from tracker.sources.live.opencv_log import quiet_opencv
from tracker.sources.live.reconnect import attempts, given_up
from tracker.sources.live.settings import LiveSettings, Reconnect
from tracker.util.arrays import UInt8Array
from tracker.util.closing import Closing
from tracker.util.opencv import cv2

_log = logging.getLogger(__name__)

_DEFAULT_RATE = Fraction(30)
_MAX_RATE = 1000
_TICKS_A_SECOND = 1_000_000
# A USB camera occasionally drops a frame; a disconnected one fails every time.
_MAX_FAILED_READS = 3


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that is used here."""

    def isOpened(self) -> bool:  # noqa: N802
        """Returns whether the device was opened."""
        ...

    def grab(self) -> bool:
        """Waits for a frame and returns whether there is one."""
        ...

    def retrieve(self) -> tuple[bool, NDArray[Any] | None]:
        """Returns whether it can be decoded, and the frame `(H, W, 3)` uint8 BGR."""
        ...

    def get(self, propId: int, /) -> float:  # noqa: N803
        """Returns a property of the device."""
        ...

    def release(self) -> None:
        """Releases the device."""
        ...


class Camera(Closing):
    """A camera as a live source of frames.

    The device is opened at once and checked by one discarded frame; times count from the first
    frame delivered. Iteration ends only by `close` or an error.

    Args:
        index: Number of the camera, from 0.
        settings: Its `reconnect` decides how to wait for an unplugged camera; `None` makes that an
            error.
        find: Returns the camera's current number for each attempt, since the system may assign
            another one when it is plugged in again; `None` to keep `index`.
        open_capture: Opens a camera by its number.

    Raises:
        SourceError: The camera does not exist, access is denied, or it delivers no frame.
    """

    def __init__(
        self,
        index: int,
        settings: LiveSettings | None = None,
        *,
        find: Callable[[], int] | None = None,
        open_capture: Callable[[int], Capture] = cv2.VideoCapture,
    ) -> None:
        if index < 0:
            raise SourceError(f"camera: expected an index of 0 or more, got {index}")
        self._source = str(index)
        self._settings = settings
        self._closed = threading.Event()
        self._skipped = 0
        self._reconnects = 0
        self._find = find or (lambda: index)
        self._open_capture = open_capture
        self._capture = _opened(index, open_capture)
        try:
            first, _ = self._grab()
        except SourceError:
            self._capture.release()
            raise
        self._size = (int(first.shape[1]), int(first.shape[0]))
        self._info = VideoInfo(
            source=self._source,
            width=self._size[0],
            height=self._size[1],
            fps=_rate(self._capture.get(cv2.CAP_PROP_FPS)),
            time_base=Fraction(1, _TICKS_A_SECOND),
            is_live=True,
        )
        self._skipped = 0
        self._frames = self._read()
        next(self._frames)  # runs to the point after which the generator releases the device

    @property
    def info(self) -> VideoInfo:
        """The facts known before the first frame."""
        return self._info

    @property
    def skipped(self) -> int:
        """Frames so far that the camera failed to deliver."""
        return self._skipped

    @property
    def reconnects(self) -> int:
        """Number of reconnections so far."""
        return self._reconnects

    def __iter__(self) -> Iterator[Frame]:
        while True:
            try:
                frame = next(self._frames, None)
            except ValueError:
                # Another thread is inside the generator: `close` releases the device there.
                if self._closed.is_set():
                    return
                raise
            if frame is None:
                return
            yield frame

    def close(self) -> None:
        """Releases the camera; an iteration under way in another thread ends at its next frame."""
        self._closed.set()
        # ValueError: another thread is inside the generator; it sees the flag and cleans up.
        with suppress(ValueError):
            self._frames.close()

    def _read(self) -> Generator[Frame | None]:
        try:
            yield None
            index = 0
            started = None
            while not self._closed.is_set():
                lost = self._skipped
                found = self._next()
                if self._closed.is_set() or found is None:
                    return
                image, (now, wall) = found
                index += self._skipped - lost
                started = now if started is None else started
                ticks = round((now - started) * _TICKS_A_SECOND)
                yield self._frame(image, index, ticks, (now, wall))
                index += 1
        finally:
            self._capture.release()

    def _next(self) -> tuple[UInt8Array, tuple[float, float]] | None:
        """Returns the next frame, reopening the camera if necessary; `None` once closed."""
        try:
            return self._grab()
        except SourceError:
            if self._closed.is_set():
                return None
            if self._settings is None or self._settings.reconnect.attempts == 0:
                raise
        return self._reconnected(self._settings.reconnect)

    def _reconnected(self, reconnect: Reconnect) -> tuple[UInt8Array, tuple[float, float]] | None:
        lost_s = time.monotonic()
        _log.warning("camera %s: lost: it delivers no frames; waiting for it", self._source)
        self._capture.release()
        for _ in attempts(reconnect, self._closed):
            # A failure here is a failed attempt, not a skipped frame.
            skipped = self._skipped
            try:
                self._capture = _opened(self._find(), self._open_capture)
                found = self._grab()
            except SourceError:
                self._skipped = skipped
                self._capture.release()
                continue
            self._reconnects += 1
            gap_s = time.monotonic() - lost_s
            _log.warning("camera %s: back after %.1f s", self._source, gap_s)
            return found
        if self._closed.is_set():
            return None
        raise given_up(f"camera {self._source}", "it delivers no frames", reconnect)

    def _frame(
        self, image: UInt8Array, index: int, ticks: int, clocks: tuple[float, float]
    ) -> Frame:
        height, width = image.shape[:2]
        if (width, height) != self._size:
            raise SourceError(
                f"camera {self._source}: frame {index} is {width}x{height} where the first one "
                f"was {self._size[0]}x{self._size[1]}; open it again"
            )
        return Frame(
            image,
            index=index,
            time_s=ticks / _TICKS_A_SECOND,
            source=self._source,
            wall_time_s=clocks[1],
            captured_s=clocks[0],
        )

    def _grab(self) -> tuple[UInt8Array, tuple[float, float]]:
        """Returns the next frame `(H, W, 3)` uint8 RGB, read-only, and its time of arrival.

        The times, on `time.monotonic` and in Unix time, are those before it was decoded.
        """
        for _ in range(_MAX_FAILED_READS):
            try:
                came = self._capture.grab()
                clocks = time.monotonic(), time.time()
                there, image = self._capture.retrieve() if came else (False, None)
            except cv2.error as error:  # a frame that its driver cannot decode
                _log.debug("camera %s: %s", self._source, error)
                there, image = False, None
            if there and image is not None:
                return _to_rgb(image), clocks
            self._skipped += 1
        raise SourceError(
            f"camera {self._source}: delivers no frames ({_MAX_FAILED_READS} reads failed); check "
            "its cable and that no other program uses it"
        )


def _opened(index: int, open_capture: Callable[[int], Capture]) -> Capture:
    with quiet_opencv():
        capture = open_capture(index)
    if not capture.isOpened():
        capture.release()
        raise SourceError(f"camera {index}: cannot be opened; {_hint(index, Path('/dev'))}")
    return capture


def _hint(index: int, devices: Path) -> str:
    """Returns what to try for a camera that cannot be opened.

    Args:
        index: Number of the camera.
        devices: Directory of the device files, `/dev`.
    """
    if not sys.platform.startswith("linux"):
        return "check that it is plugged in and that this program may use the camera"
    numbers = sorted(
        int(path.name[5:])
        for path in devices.glob("video*")
        if re.fullmatch(r"video[0-9]+", path.name)
    )
    device = devices / f"video{index}"
    if not numbers:
        return f"no {devices}/video* exists: plug a camera in, or name a video file"
    if index not in numbers:
        found = ", ".join(f"{devices}/video{number}" for number in numbers)
        return f"found {found}: name one of these numbers"
    if not os.access(device, os.R_OK | os.W_OK):
        return f"no permission for {device}: add yourself to the group 'video' and log in again"
    return f"{device} exists, but is in use or delivers no video: try another number"


def _rate(reported: float) -> Fraction:
    if not math.isfinite(reported) or not 0 < reported <= _MAX_RATE:
        return _DEFAULT_RATE
    return Fraction(reported).limit_denominator(1001)


def _to_rgb(image: NDArray[Any]) -> UInt8Array:
    if image.ndim == 2 or image.shape[2] == 1:
        rgb = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    else:
        rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    array: UInt8Array = np.asarray(rgb, dtype=np.uint8)
    array.setflags(write=False)
    return array
