"""Exported networks as `.tflite` files with a description.

The description is the member `tracker.json` of a ZIP archive appended to the graph, where
TensorFlow Lite's own metadata put their associated files; runtimes ignore it.
"""

import io
import os
import re
import zipfile
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from tracker.errors import DataError, ModelError
from tracker.models.files.read import read_model_file
from tracker.util.archives import ZIP_ERRORS, read_member
from tracker.util.atomic_file import replace_bytes
from tracker.util.json_text import parse_json

SUFFIX = ".tflite"
"""File name suffix."""

MEMBER = "tracker.json"
"""Archive member with the description."""

_MARK = b"TFL3"
# The member's header: magic number, 26 bytes, name. A description of 1000 classes has 20 KB.
_MEMBER_START = re.compile(rb"PK\x03\x04.{26}" + re.escape(MEMBER.encode()), re.DOTALL)
_TAIL = 1 << 18
_DATE = (1980, 1, 1, 0, 0, 0)  # makes the files of equal networks equal


@dataclass(frozen=True, slots=True)
class Exported:
    """Content of an exported file.

    Attributes:
        model: The whole file, as runtimes accept it.
        text: The description, JSON.
    """

    model: bytes
    text: bytes

    @property
    def format(self) -> str:
        """Kind of network in the description; empty if it has none."""
        try:
            record = parse_json(self.text)
            return str(record["format"])
        except (ValueError, KeyError, TypeError):
            return ""


def write_exported(path: Path, graph: bytes, text: str, *, member: str = MEMBER) -> None:
    """Writes an exported network, atomically.

    Args:
        path: The file; its name ends in `.tflite`.
        graph: The converter's output.
        text: The description, JSON.
        member: Archive member that gets it.

    Raises:
        ModelError: The name has another suffix.
        OutputError: The file cannot be written.
    """
    if path.suffix != SUFFIX:
        raise ModelError(f"{path}: expected a name that ends in {SUFFIX}")
    buffer = io.BytesIO(graph)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(zipfile.ZipInfo(member, _DATE), text)
    replace_bytes(path, buffer.getvalue())


def is_exported(path: str | PathLike[str]) -> bool:
    """Returns whether `tracker export` wrote a file.

    Also true for a file that was cut short after its graph and for a missing file, so that
    `read_exported` reports what is wrong. Third-party archives after a graph, such as TensorFlow
    Lite's label files, do not have this description.
    """
    try:
        with open(path, "rb") as file:
            try:
                with zipfile.ZipFile(file) as archive:
                    return MEMBER in archive.namelist()
            except (*ZIP_ERRORS, ValueError):
                file.seek(-min(file.seek(0, os.SEEK_END), _TAIL), os.SEEK_END)
                return _MEMBER_START.search(file.read()) is not None
    except OSError:
        return True


def read_exported(path: str | PathLike[str], *, what: str) -> Exported:
    """Returns the content of an exported file.

    Args:
        path: The file.
        what: Its name in messages, for example "detector".

    Raises:
        ModelError: The file is missing, cut short, no `.tflite`, or not written by `tracker
            export`.
    """
    model = read_model_file(path, what=what)
    if model[4:8] != _MARK:
        raise ModelError(f"{what} {path}: expected a .tflite file, got something else")
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            text = read_member(archive, MEMBER)
    except DataError as error:
        raise ModelError(f"{what} {path}: {error}") from error
    except (*ZIP_ERRORS, KeyError, OSError, ValueError) as error:
        raise ModelError(
            f"{what} {path}: expected a .tflite that `tracker export` wrote, got another one, or "
            "one that was cut short"
        ) from error
    return Exported(model, text)
