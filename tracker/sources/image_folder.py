"""Still pictures as a video: a folder, a MOT sequence, a glob pattern, or one picture.

Comes in: a path or pattern. Goes out: frames in natural order of their names, at a constant rate.
BGR exists only in here.
"""

import glob
import logging
import math
import os
import re
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from tracker.arrays import UInt8Array
from tracker.errors import SourceError
from tracker.frames import Frame, VideoInfo
from tracker.opencv import cv2
from tracker.sources.kind import IMAGE_SUFFIXES, is_pattern
from tracker.sources.paths import missing
from tracker.sources.quiet import quiet_opencv
from tracker.sources.sequence import (
    SEQUENCE_FILE,
    first_index,
    frame_seconds,
    sequence_rate,
    sequence_settings,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Listing:
    """The files in order, and the rate where a `seqinfo.ini` gives one."""

    files: tuple[Path, ...]
    rate: Fraction | None = None


class ImageFolder:
    """Pictures on disk as a source of frames.

    It is read once; an iteration that was left goes on where it stopped. A picture that cannot be
    decoded is left out and counted; its number stays a gap.

    Args:
        path_or_pattern: A folder of pictures, a MOT sequence (the folder with `seqinfo.ini`, or
            its folder of pictures), a glob pattern, or one picture.
        fps: Pictures a second, > 0; a `seqinfo.ini` knows better.
        start_s: Leave out the pictures before this time in seconds.
        stride: Deliver each `stride`-th picture, counted from the first one delivered.

    Raises:
        SourceError: There is no picture, none can be decoded, or the folder ends before `start_s`.
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
        listing = _list_images(self._source)
        self._files = listing.files
        self._rate = listing.rate or Fraction(fps).limit_denominator(1_000_000)
        first = first_index(start_s, self._rate)
        if first >= len(self._files):
            raise SourceError(
                f"{self._source}: cannot start at {start_s:g} s: its {len(self._files)} pictures "
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
        """What is known before the first frame."""
        return self._info

    @property
    def skipped(self) -> int:
        """Pictures so far that could not be decoded and were left out."""
        return self._skipped

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """Ends the iteration, also one under way in another thread, at its next picture."""
        self._closed = True
        # ValueError: another thread is inside the generator; it sees the flag.
        with suppress(ValueError):
            self._frames.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self) -> Generator[Frame]:
        for index in self._indices:
            if self._closed:
                return
            path = self._files[index]
            image = _read_image(path)
            if image is None:
                self._skipped += 1
                _log.warning("%s: cannot be decoded as a picture; left out", path)
                continue
            size = _size(image)
            if size != self._size:
                raise SourceError(
                    f"{path}: is {size[0]}x{size[1]} where the first picture is "
                    f"{self._size[0]}x{self._size[1]}; bring all to one size"
                )
            time_s = frame_seconds(index, self._rate)
            yield Frame(image, index=index, time_s=time_s, source=self._source)


def _list_images(source: str) -> _Listing:
    path = Path(source)
    if path.is_dir():
        listing = _list_folder(source, path)
    elif path.exists():
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            raise SourceError(
                f"{source}: expected a picture ({_known()}), got {path.suffix or 'no extension'}"
            )
        listing = _Listing((path,))
    elif is_pattern(source):
        listing = _Listing(_images(Path(name) for name in glob.glob(source, recursive=True)))
        if not listing.files:
            raise SourceError(
                f"{source}: no picture ({_known()}) matches this pattern; quote it, so that the "
                "shell leaves it alone, and check its folder"
            )
    else:
        raise missing(source)
    return listing


def _list_folder(source: str, folder: Path) -> _Listing:
    """Returns the pictures of a plain folder or of a MOT sequence (its folder or its `imDir`)."""
    for sequence in (folder, Path(os.path.abspath(folder)).parent):
        settings = sequence_settings(sequence / SEQUENCE_FILE)
        if settings is None:
            continue
        pictures = sequence / settings.get("imDir", "img1")
        if sequence != folder and not (pictures.exists() and pictures.samefile(folder)):
            continue
        files = _images_in(source, pictures)
        _compare_length(source, settings.get("seqLength"), len(files))
        return _Listing(files, sequence_rate(source, settings.get("frameRate")))
    return _Listing(_images_in(source, folder))


def _compare_length(source: str, promised: str | None, found: int) -> None:
    if promised is not None and promised.strip() != str(found):
        _log.warning("%s: seqinfo.ini promises %s pictures, found %d", source, promised, found)


def _images_in(source: str, folder: Path) -> tuple[Path, ...]:
    try:
        entries = list(folder.iterdir())
    except FileNotFoundError as error:
        raise SourceError(f"{source}: its folder of pictures {folder} does not exist") from error
    except OSError as error:
        raise SourceError(f"{source}: cannot be listed: {error.strerror}") from error
    files = _images(entries)
    if not files:
        inner = next((e.name for e in sorted(entries) if e.is_dir() and _has_images(e)), None)
        hint = f"; the pictures are in {folder / inner}" if inner else ""
        raise SourceError(f"{source}: holds no picture ({_known()}){hint}")
    return files


def _has_images(folder: Path) -> bool:
    try:
        return any(entry.suffix.lower() in IMAGE_SUFFIXES for entry in folder.iterdir())
    except OSError:
        return False


def _images(paths: Iterator[Path] | list[Path]) -> tuple[Path, ...]:
    # Names beginning with a dot are left by other systems ("._img1.jpg") and are no pictures.
    files = [
        path
        for path in paths
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
    ]
    return tuple(sorted(files, key=_natural_key))


def _natural_key(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Returns a key that sorts "img2" before "img10"; equal numbers fall back on the text."""
    parts = re.split(r"([0-9]+)", str(path))
    key = [(0, int(part), "") if odd % 2 else (1, 0, part) for odd, part in enumerate(parts)]
    return key, str(path)


def _first_size(source: str, files: list[Path]) -> tuple[int, int]:
    for path in files:
        image = _read_image(path)
        if image is not None:
            return _size(image)
    raise SourceError(
        f"{source}: none of its {len(files)} pictures can be decoded; check them in a viewer"
    )


def _read_image(path: Path) -> UInt8Array | None:
    """Returns a picture as `(H, W, 3)` uint8 RGB, read-only, or `None` if it cannot be decoded.

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


def _known() -> str:
    return ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
