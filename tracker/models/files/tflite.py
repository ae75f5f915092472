"""Networks as `.tflite` files that say what they are.

Comes in: an exported graph and its description. Goes out: one file, and both again. The description
is the member `tracker.json` of a ZIP archive behind the graph, where TensorFlow Lite's own metadata
put their associated files: whatever runs the graph takes no notice of it.
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
"""Ending of the files' names."""

MEMBER = "tracker.json"
"""The description, in the archive behind the graph."""

_MARK = b"TFL3"
# The member's header: its mark, 26 bytes, its name. A description of 1000 classes has 20 KB.
_MEMBER_START = re.compile(rb"PK\x03\x04.{26}" + re.escape(MEMBER.encode()), re.DOTALL)
_TAIL = 1 << 18
_DATE = (1980, 1, 1, 0, 0, 0)  # equal networks give equal files


@dataclass(frozen=True, slots=True)
class Exported:
    """What an exported file holds.

    Attributes:
        model: The whole file, which is what runs the graph takes.
        text: The description, JSON.
    """

    model: bytes
    text: bytes

    @property
    def format(self) -> str:
        """Kind of network that the description names; empty where it names none."""
        try:
            record = parse_json(self.text)
            return str(record["format"])
        except (ValueError, KeyError, TypeError):
            return ""


def write_exported(path: Path, graph: bytes, text: str) -> None:
    """Writes an exported network; the file is complete or the old one.

    Args:
        path: Where to; its name ends in `.tflite`.
        graph: What the converter gave.
        text: The description, JSON.

    Raises:
        ModelError: The name has another ending.
        OutputError: The file cannot be written.
    """
    if path.suffix != SUFFIX:
        raise ModelError(f"{path}: expected a name that ends in {SUFFIX}")
    buffer = io.BytesIO(graph)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(zipfile.ZipInfo(MEMBER, _DATE), text)
    replace_bytes(path, buffer.getvalue())


def is_exported(path: str | PathLike[str]) -> bool:
    """Returns whether a file is one that `tracker export` wrote.

    A file counts as one, too, that was cut short behind its graph, and one that is not there:
    `read_exported` says what is wrong. Archives that others put behind their graphs, such as
    TensorFlow Lite's label files, hold no description of ours.
    """
    try:
        with open(path, "rb") as file:
            try:
                with zipfile.ZipFile(file) as archive:
                    return MEMBER in archive.namelist()
            except zipfile.BadZipFile:
                file.seek(-min(file.seek(0, os.SEEK_END), _TAIL), os.SEEK_END)
                return _MEMBER_START.search(file.read()) is not None
    except OSError:
        return True


def read_exported(path: str | PathLike[str], *, what: str) -> Exported:
    """Returns what an exported file holds.

    Args:
        path: The file.
        what: What the messages call it, for example "detector".

    Raises:
        ModelError: It is missing, cut short, no `.tflite`, or one that `tracker export` did not
            write.
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
