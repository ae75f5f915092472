"""Which reader a source needs, from the word that the user typed.

Comes in: text. Goes out: a `SourceKind`. Nothing is opened; only the names on disk are looked at.
"""

import re
from enum import Enum
from pathlib import Path

from tracker.errors import SourceError

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""Extensions of still pictures, in lower case."""

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_GLOB = re.compile(r"[*?\[]")


class SourceKind(Enum):
    """The kinds of source."""

    CAMERA = "camera"
    VIDEO_FILE = "video file"
    IMAGES = "images"


def source_kind(text: str) -> SourceKind:
    """Returns which kind of source a word names; whether it exists is the reader's question.

    Digits are a camera (a file or folder named "0" is reached as "./0"). A name that exists is
    what it is on disk, also where it holds characters of a glob pattern.

    Args:
        text: A camera index, a path, or a glob pattern of images.

    Raises:
        SourceError: It is empty, a negative number, or a URL.

    Example:
        >>> source_kind("0").value, source_kind("in.mp4").value, source_kind("seq/*.jpg").value
        ('camera', 'video file', 'images')
    """
    if not text.strip():
        raise SourceError("source: expected a camera index, a video file or images, got nothing")
    if re.fullmatch(r"[0-9]+", text):
        return SourceKind.CAMERA
    if re.fullmatch(r"-[0-9]+", text):
        raise SourceError(f"source: expected a camera index of 0 or more, got {text}")
    if _URL.match(text):
        raise SourceError(_url_message(text))
    is_image = Path(text).suffix.lower() in IMAGE_SUFFIXES
    if Path(text).exists():
        return SourceKind.IMAGES if is_image or Path(text).is_dir() else SourceKind.VIDEO_FILE
    return SourceKind.IMAGES if is_image or is_pattern(text) else SourceKind.VIDEO_FILE


def is_pattern(text: str) -> bool:
    """Returns whether text holds characters of a glob pattern."""
    return bool(_GLOB.search(text))


def _url_message(text: str) -> str:
    scheme = text.split("://", 1)[0].lower()
    if scheme == "file":
        return f"{text}: expected a path, got a URL; leave out 'file://'"
    return (
        f"{text}: network streams ({scheme}) are not supported yet; record to a file first: "
        "ffmpeg -i URL -t 60 -c copy out.mkv"
    )
