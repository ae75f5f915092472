"""MOT sequences without images: black frames with the right numbers and times, for replays."""

import configparser
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tracker.errors import SourceError
from tracker.frames import Frame, VideoInfo
from tracker.sources.files.image_sequence import (
    SEQUENCE_FILE,
    first_index,
    frame_seconds,
    sequence_rate,
    sequence_settings,
)
from tracker.sources.source_kind import IMAGE_SUFFIXES
from tracker.util.closing import Closing


def has_no_images(text: str) -> bool:
    """Returns whether a source is the folder of a MOT sequence without images.

    Args:
        text: The source as the user typed it.

    Raises:
        SourceError: Its `seqinfo.ini` is malformed.
    """
    settings = sequence_settings(Path(text) / SEQUENCE_FILE)
    if settings is None:
        return False
    images = Path(text) / settings.get("imDir", "img1")
    return not images.is_dir() or not any(
        entry.suffix.lower() in IMAGE_SUFFIXES and not entry.name.startswith(".")
        for entry in images.iterdir()
    )


class BlankSequence(Closing):
    """A MOT sequence as a source of black frames, without reading images.

    It is read once; an interrupted iteration continues where it stopped.

    Args:
        folder: The folder that holds `seqinfo.ini`; it must have frameRate, seqLength, imWidth and
            imHeight.
        start_s: Leave out the frames before this time in seconds.
        stride: Deliver each `stride`-th frame, counted from the first one delivered.

    Raises:
        SourceError: `seqinfo.ini` is missing or incomplete, or ends before `start_s`.
    """

    def __init__(self, folder: str, *, start_s: float = 0.0, stride: int = 1) -> None:
        settings = sequence_settings(Path(folder) / SEQUENCE_FILE)
        if settings is None:
            raise SourceError(f"{folder}: expected a MOT sequence, got no {SEQUENCE_FILE} in it")
        if stride < 1 or not 0 <= start_s < math.inf:
            raise SourceError(
                f"{folder}: expected start_s >= 0 and stride >= 1, got {start_s} and {stride}"
            )
        rate = sequence_rate(folder, settings.get("frameRate"))
        if rate is None:
            raise SourceError(f"{folder}: {SEQUENCE_FILE}: frameRate is missing; add it")
        width, height, length = (
            _whole(folder, settings, key) for key in ("imWidth", "imHeight", "seqLength")
        )
        first = first_index(start_s, rate)
        if first >= length:
            raise SourceError(
                f"{folder}: cannot start at {start_s:g} s: its {length} frames last "
                f"{float(length / rate):.3f} s; start earlier"
            )
        self._rate = rate
        self._image = np.zeros((height, width, 3), np.uint8)
        self._image.setflags(write=False)
        self._indices = iter(range(first, length, stride))
        self._closed = False
        self._info = VideoInfo(
            source=folder,
            width=width,
            height=height,
            fps=rate / stride,
            time_base=1 / rate,
            frame_count=len(range(first, length, stride)),
            start_s=frame_seconds(first, rate),
        )

    @property
    def info(self) -> VideoInfo:
        """The facts known before the first frame."""
        return self._info

    @property
    def skipped(self) -> int:
        """Frames that could not be decoded: none, since none is decoded."""
        return 0

    def __iter__(self) -> Iterator[Frame]:
        for index in self._indices:
            if self._closed:
                return
            yield Frame(self._image, index, frame_seconds(index, self._rate), self._info.source)

    def close(self) -> None:
        """Ends the iteration at its next frame."""
        self._closed = True


def _whole(folder: str, settings: configparser.SectionProxy, key: str) -> int:
    text = settings.get(key, "nothing").strip()
    if not text.isdecimal() or not 1 <= int(text) < _LIMIT:
        raise SourceError(
            f"{folder}: {SEQUENCE_FILE}: {key}: expected a whole number from 1, got {text}; "
            "without images it must be there"
        )
    return int(text)


_LIMIT = 2**31
