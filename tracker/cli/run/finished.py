"""Whether the outputs of a run are complete, and of what they are."""

import json
import mmap
import os
import re
from typing import Any

from tracker.errors import DataError, NotResumableError
from tracker.sources.source_kind import SourceKind, source_kind

_FOOTER_HEAD = 200
"""Bytes of a footer before its tracks."""
_FRAMES = re.compile(rb'"frames":([0-9]+)')


def finished_frames(path: str) -> int | None:
    """Returns the number of frames in JSON of a complete run; `None` where it is not complete."""
    return _frames_of_lines(path) if path.endswith(".jsonl") else _frames_of_document(path)


def header_of(path: str) -> dict[str, Any]:
    """Returns the header of JSON of a complete run.

    Raises:
        NotResumableError: It has none of this program.
    """
    try:
        header = _records(path)[0] if not path.endswith(".jsonl") else _first_line(path)
        wrong = {"program", "source", "config", "models"} - header.keys()
    except (DataError, ValueError, AttributeError, IndexError) as error:
        raise _no_header(path) from error
    if wrong or not isinstance(header["config"], dict) or not isinstance(header["source"], str):
        raise _no_header(path)
    return header


def source_changed_s(source: str) -> float:
    """Returns when a file, or the newest of some images, was changed: seconds since the epoch."""
    if source_kind(source) is not SourceKind.IMAGES:
        return os.stat(source).st_mtime
    from tracker.sources.files.image_listing import list_images

    return max(path.stat().st_mtime for path in list_images(source).files)


def _no_header(path: str) -> NotResumableError:
    return NotResumableError(
        f"{path}: cannot resume: it has no header of this program; start over without --resume"
    )


def _first_line(path: str) -> dict[str, Any]:
    with open(path, "rb") as file:
        header: dict[str, Any] = json.loads(file.readline())
    return header


def _records(path: str) -> list[dict[str, Any]]:
    from tracker.track_files.json_file import json_objects
    from tracker.track_files.read import read_bytes

    return list(json_objects(read_bytes(path), path=path))


def _frames_of_document(path: str) -> int | None:
    try:
        footer = _records(path)[-1]
    except (DataError, IndexError):
        return None
    is_complete = footer.get("kind") == "footer" and footer.get("complete") is True
    return footer.get("frames") if is_complete else None


def _frames_of_lines(path: str) -> int | None:
    with open(path, "rb") as file:
        if not os.path.getsize(path):
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            start = content.rfind(b"\n", 0, len(content) - 1) + 1
            head = content[start : start + _FOOTER_HEAD]
    found = _FRAMES.search(head)
    is_footer = head.startswith(b'{"kind":"footer"') and b'"complete":true' in head
    return int(found[1]) if found and is_footer else None
