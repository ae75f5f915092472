"""Networks of ours as `.keras` archives with a description in them.

Comes in: a network and its description, or a path. Goes out: the file, or its description. The
archive that Keras writes gets one more member, `tracker.json`. Reading loads no Keras.
"""

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

from tracker.errors import ModelError, OutputError
from tracker.models.exported import MEMBER
from tracker.models.files import read_model_file

SUFFIX = ".keras"
"""Ending of the files' names."""

_WEIGHTS = "model.weights.h5"
_DATE = (1980, 1, 1, 0, 0, 0)  # equal networks give equal members


def write_archive(network: Any, path: Path, text: str) -> None:
    """Writes a network; whoever kills us meanwhile leaves the old file as it was.

    Args:
        network: A `keras.Model`.
        path: Where to; its name ends in `.keras`.
        text: The description, JSON.

    Raises:
        ModelError: The name has another ending.
        OutputError: The file cannot be written.
    """
    if path.suffix != SUFFIX:
        raise ModelError(f"{path}: expected a name that ends in {SUFFIX}")
    # Keras looks at the ending of the name, so the draft needs it too.
    draft = path.with_name(f"part-{path.name}")
    try:
        network.save(draft)
        with zipfile.ZipFile(draft, "a") as archive:
            archive.writestr(zipfile.ZipInfo(MEMBER, _DATE), text)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_text(path: Path, *, what: str, wanted: str) -> bytes:
    """Returns the description in a file, after checking that the file is whole.

    Args:
        path: The file.
        what: What the messages call it, for example "detector".
        wanted: What should have been in it, for the messages.

    Raises:
        ModelError: It is missing, no archive, damaged, or holds no description.
    """
    start = read_model_file(path, what=what)[:4]
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
            names = set(archive.namelist())
            text = archive.read(MEMBER) if MEMBER in names else None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError) as error:
        raise ModelError(f"{what} {path}: {_why_no_archive(start)}") from error
    if broken is not None:
        raise ModelError(f"{what} {path}: {broken} in it is damaged; copy it again")
    if text is None or _WEIGHTS not in names:
        raise ModelError(
            f"{what} {path}: expected {wanted}, got "
            f"{'another Keras model' if _WEIGHTS in names else 'another archive'}"
        )
    return text


def _why_no_archive(start: bytes) -> str:
    if start.startswith(b"PK"):
        return "the archive is cut short or damaged; copy it again"
    if start.startswith(b"\x89HDF"):
        return "expected a .keras archive of Keras 3, got an HDF5 file"
    return "expected a .keras archive, got something else"
