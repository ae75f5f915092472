"""Still images as a video: a folder, a MOT sequence, a glob pattern, or one image.

Frames are in natural order of their names, at a constant rate, and are converted from BGR to RGB
here.
"""

import logging
import math
import os
from collections.abc import Generator, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np

from tracker.errors import SourceError
from tracker.frames import Frame, VideoInfo
from tracker.sources.files.image_listing import list_images
from tracker.sources.files.image_sequence import (
    first_index,
    frame_seconds,
)
from tracker.sources.live.opencv_log import quiet_opencv
from tracker.util.arrays import UInt8Array
from tracker.util.closing import Closing
from tracker.util.opencv import cv2

_log = logging.getLogger(__name__)


class ImageFolder(Closing):
    """Images on disk as a source of frames.

    It is read once; an interrupted iteration continues where it stopped. An image that cannot be
    decoded is skipped and counted; its number stays unused.

    Args:
        path_or_pattern: A folder of images, a MOT sequence (the folder with `seqinfo.ini`, or
            its folder of images), a glob pattern, or one image.
        fps: Images a second, > 0; overridden by a `seqinfo.ini`.
        start_s: Leave out the images before this time in seconds.
        stride: Deliver each `stride`-th image, counted from the first one delivered.

    Raises:
        SourceError: There is no image, none can be decoded, or the folder ends before `start_s`.
    """

    def __init__(
        self,
        path_or_pattern: str | os.PathLike[str],
        *,
        fps: float | Fraction = 30,
        start_s: float = 0.0,
        stride: int = 1,
    ) -> None:
        self._source = os.fspath(path_or_pattern)
        _check_arguments(self._source, fps=fps, start_s=start_s, stride=stride)
        listing = list_images(self._source)
        self._files = listing.files
        self._rate = listing.rate or Fraction(fps).limit_denominator(1_000_000)
        first = first_index(start_s, self._rate)
        if first >= len(self._files):
            raise SourceError(
                f"{self._source}: cannot start at {start_s:g} s: its {len(self._files)} images "
                f"last {float(len(self._files) / self._rate):.3f} s; start earlier"
            )
        self._indices = range(first, len(self._files), stride)
        self._size = _first_size(self._source, [self._files[index] for index in self._indices])
        self._info = VideoInfo(
            source=self._source,
            width=self._size[0],
            height=self._size[1],
            fps=self._rate / stride,
            time_base=1 / self._rate,
            frame_count=len(self._indices),
            start_s=frame_seconds(first, self._rate),
        )
        self._skipped = 0
        self._closed = False
        self._frames = self._read()

    @property
    def info(self) -> VideoInfo:
        """The facts known before the first frame."""
        return self._info

    @property
    def skipped(self) -> int:
        """Images so far that could not be decoded."""
        return self._skipped

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """Ends the iteration, also one under way in another thread, at its next image."""
        self._closed = True
        # ValueError: another thread is inside the generator; it sees the flag.
        with suppress(ValueError):
            self._frames.close()

    def _read(self) -> Generator[Frame]:
        for index in self._indices:
            if self._closed:
                return
            path = self._files[index]
            image = _read_image(path)
            if image is None:
                self._skipped += 1
                _log.warning("%s: cannot be decoded as an image; left out", path)
                continue
            size = _size(image)
            if size != self._size:
                raise SourceError(
                    f"{path}: is {size[0]}x{size[1]} where the first image is "
                    f"{self._size[0]}x{self._size[1]}; bring all to one size"
                )
            time_s = frame_seconds(index, self._rate)
            yield Frame(image, index=index, time_s=time_s, source=self._source)


def _first_size(source: str, files: list[Path]) -> tuple[int, int]:
    for path in files:
        image = _read_image(path)
        if image is not None:
            return _size(image)
    if len(files) == 1:
        raise SourceError(
            f"{source}: {files[0].name} cannot be decoded as an image; check it in a viewer (a "
            "video is recognised by its content, unless its name ends like an image's)"
        )
    raise SourceError(
        f"{source}: none of its {len(files)} images can be decoded; check them in a viewer"
    )


def _read_image(path: Path) -> UInt8Array | None:
    """Returns an image as `(H, W, 3)` uint8 RGB, read-only, or `None` if it cannot be decoded.

    Grey is repeated, transparency dropped, 16 bits scaled to 8, and EXIF rotation applied.
    """
    try:
        data = np.fromfile(path, dtype=np.uint8)
        with quiet_opencv():
            image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        return None
    if image is None:
        return None
    rgb: UInt8Array = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
    rgb.setflags(write=False)
    return rgb


def _size(image: UInt8Array) -> tuple[int, int]:
    return int(image.shape[1]), int(image.shape[0])


def _check_arguments(source: str, *, fps: float | Fraction, start_s: float, stride: int) -> None:
    if not (math.isfinite(fps) and fps > 0):
        raise SourceError(f"{source}: fps: expected a number > 0, got {fps}")
    if stride < 1:
        raise SourceError(f"{source}: stride: expected 1 or more, got {stride}")
    if not (math.isfinite(start_s) and start_s >= 0):
        raise SourceError(f"{source}: start_s: expected seconds >= 0, got {start_s}")
