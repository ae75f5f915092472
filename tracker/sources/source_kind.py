"""The kind of a source, from the text that the user typed.

Nothing is opened; only names on disk are checked.
"""

import os
import re
import stat
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from tracker.errors import ConfigError, SourceError, nearest
from tracker.sources.live.camera_names import is_camera
from tracker.util.address import is_slipped, scheme_of, shown_address, shown_source

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""Extensions of still images, in lower case."""

VIDEO_SUFFIXES = frozenset(
    {
        *(".avi", ".flv", ".m2ts", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"),
        *(".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m", ".3gp"),
    }
)
"""Extensions by which videos are recognised among other files, in lower case; any can be read."""

PIPE = "-"
"""Name of standard input."""

SCHEMES = ("http", "https", "rtmp", "rtmps", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp")
"""Schemes of stream addresses."""

_GLOB = re.compile(r"[*?\[]")


class SourceKind(Enum):
    """The kinds of source."""

    CAMERA = "camera"
    STREAM = "stream"
    PIPE = "pipe"
    VIDEO_FILE = "video file"
    IMAGES = "images"


def source_kind(text: str) -> SourceKind:
    """Returns the kind of source that a text names; the reader checks whether it exists.

    Digits are a camera (a file or folder named "0" is reached as "./0"). An existing name is
    treated as that file or folder, even if it contains glob characters.

    Args:
        text: A camera (its number, device file or name), a stream's address, `-` for standard
            input, a path (that of a named pipe is read like standard input), or a glob of images.

    Raises:
        SourceError: It is empty, a negative number, a URL with an unknown scheme, or an address
        with a misspelt scheme.

    Example:
        >>> source_kind("0").value, source_kind("in.mp4").value, source_kind("seq/*.jpg").value
        ('camera', 'video file', 'images')
        >>> source_kind("rtsp://camera/stream").value, source_kind("-").value
        ('stream', 'pipe')
    """
    if not text.strip():
        raise SourceError(
            "source: expected a camera, a stream, a video file or images, got nothing"
        )
    if text == PIPE:
        return SourceKind.PIPE
    if is_camera(text):
        return SourceKind.CAMERA
    if re.fullmatch(r"-[0-9]+", text):
        raise SourceError(f"source: expected a camera index of 0 or more, got {text}")
    if scheme_of(text) is not None:
        return _kind_of_address(text)
    is_image = Path(text).suffix.lower() in IMAGE_SUFFIXES
    if is_slipped(text) and not os.path.exists(text):
        raise SourceError(
            f"{shown_source(text)}: expected a file that exists, or an address, which begins with "
            "its scheme: rtsp://HOST/PATH"
        )
    if _is_fifo(text):
        return SourceKind.PIPE
    if os.path.exists(text):
        return SourceKind.IMAGES if is_image or os.path.isdir(text) else SourceKind.VIDEO_FILE
    return SourceKind.IMAGES if is_image or is_pattern(text) else SourceKind.VIDEO_FILE


def is_live_source(text: str) -> bool:
    """Returns whether text names a camera or a stream, which may be lost and connected again.

    Raises:
        SourceError: See `source_kind`.
    """
    return source_kind(text) in {SourceKind.CAMERA, SourceKind.STREAM}


def check_pipe_once(texts: Sequence[object]) -> None:
    """Checks that standard input is at most one of several sources.

    Raises:
        ConfigError: It is named more than once.
    """
    if list(texts).count(PIPE) > 1:
        raise ConfigError(f"{PIPE}: standard input can be read once; name it once")


def is_pattern(text: str) -> bool:
    """Returns whether text holds characters of a glob pattern."""
    return bool(_GLOB.search(text))


def _is_fifo(text: str) -> bool:
    # Not `Path.is_fifo`, which raises where a name is too long or a folder may not be entered.
    try:
        return stat.S_ISFIFO(os.stat(text).st_mode)
    except (OSError, ValueError):
        return False


def _kind_of_address(text: str) -> SourceKind:
    scheme = scheme_of(text) or ""
    if scheme in SCHEMES:
        return SourceKind.STREAM
    if scheme == "file":
        raise SourceError(f"{shown_address(text)}: expected a path, got a URL; leave out 'file://'")
    raise SourceError(
        f"{shown_address(text)}: expected an address with {', '.join(SCHEMES)}, got "
        f"{scheme!r}{nearest(scheme, SCHEMES)}"
    )
