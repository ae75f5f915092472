"""Networks of ours as `.keras` archives with a description in them.

Comes in: a network and its description, or a path. Goes out: the file, or its description. The
archive that Keras writes gets one more member, `tracker.json`. Reading loads no Keras.
"""

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tracker.errors import DataError, ModelError
from tracker.models.files.read import check_model_file
from tracker.models.files.tflite import MEMBER
from tracker.util.archives import (
    ZIP_ERRORS,
    check_members,
    check_weights_member,
    checked,
    read_member,
)
from tracker.util.atomic_file import DRAFT, replaced_file
from tracker.util.json_text import parse_json

DescriptionT = TypeVar("DescriptionT")

SUFFIX = ".keras"
"""Ending of the files' names."""

_WEIGHTS = "model.weights.h5"
_DATE = (1980, 1, 1, 0, 0, 0)  # equal networks give equal members


def write_archive(network: Any, path: Path, text: str) -> None:
    """Writes a network; the file is complete or the old one.

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
    # Keras demands the ending of the draft's name, too.
    with replaced_file(path, ending=f"{DRAFT}{SUFFIX}") as draft:
        network.save(draft)
        with zipfile.ZipFile(draft, "a") as archive:
            archive.writestr(zipfile.ZipInfo(MEMBER, _DATE), text)


def read_text(path: Path, *, what: str, wanted: str) -> bytes:
    """Returns the description in a file, after checking that the file is whole.

    Args:
        path: The file.
        what: What the messages call it, for example "detector".
        wanted: What should have been in it, for the messages.

    Raises:
        ModelError: It is missing, no archive, damaged, or holds no description.
    """
    check_model_file(path, what=what)
    start = b""
    try:
        with path.open("rb") as file:
            start = file.read(4)
            with zipfile.ZipFile(file) as archive:
                check_members(archive)
                broken = archive.testzip()
                names = set(archive.namelist())
                text = read_member(archive, MEMBER) if MEMBER in names else None
    except DataError as error:
        raise ModelError(f"{what} {path}: {error}") from error
    except (*ZIP_ERRORS, OSError, ValueError) as error:
        raise ModelError(f"{what} {path}: {_why_no_archive(start)}") from error
    if broken is not None:
        raise ModelError(f"{what} {path}: {broken} in it is damaged; copy it again")
    if text is None or _WEIGHTS not in names:
        raise ModelError(
            f"{what} {path}: expected {wanted}, got "
            f"{'another Keras model' if _WEIGHTS in names else 'another archive'}"
        )
    return text


def parse_text(
    path: Path, text: bytes, read: Callable[[Mapping[str, Any]], DescriptionT], *, what: str
) -> DescriptionT:
    """Returns the description that the JSON in a file gives.

    Args:
        path: The file, for the messages.
        text: The JSON.
        read: Makes the description of the object; its `ModelError`s are told with the path.
        what: What the messages call the file.

    Raises:
        ModelError: It is malformed, or `read` refuses it.
    """
    try:
        return read(parse_json(text))
    except ModelError as error:
        raise ModelError(f"{what} {path}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{what} {path}: {MEMBER} in it is malformed: {type(error).__name__}: {error}"
        ) from error


def read_names(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the class names of a description.

    Raises:
        ModelError: They are no list of words.
    """
    names = record["class_names"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelError(f"class names: expected a list of names, got {names!r}")
    return tuple(names)


def load_weights(network: Any, path: str | os.PathLike[str], *, what: str, described: str) -> None:
    """Fills a network with the weights in a file.

    Args:
        network: A `keras.Model`.
        path: The file.
        what: What the messages call it.
        described: What the file says that its weights are for, for the message.

    Raises:
        ModelError: They do not fit the network, or the file declares more than it holds.
    """
    checked(lambda: check_weights_member(Path(path), _WEIGHTS), ModelError, f"{what} {path}")
    try:
        network.load_weights(path)
    except MemoryError:
        raise
    except Exception as error:  # h5py and Keras raise whatever they stumble over
        reason = (str(error).splitlines() or ["no message"])[0]
        raise ModelError(
            f"{what} {path}: its weights are not those of {described}: {reason}"
        ) from error


def _why_no_archive(start: bytes) -> str:
    if start.startswith(b"PK"):
        return "the archive is cut short or damaged; copy it again"
    if start.startswith(b"\x89HDF"):
        return "expected a .keras archive of Keras 3, got an HDF5 file"
    return "expected a .keras archive, got something else"
