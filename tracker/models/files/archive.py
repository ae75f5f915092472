"""This package's networks as `.keras` archives with a description in them.

The archive that Keras writes gets one more member, `tracker.json`. Reading it loads no Keras.
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
from tracker.util.short_repr import short_repr

DescriptionT = TypeVar("DescriptionT")

SUFFIX = ".keras"
"""File name suffix."""

_WEIGHTS = "model.weights.h5"
_DATE = (1980, 1, 1, 0, 0, 0)  # makes the members of equal networks equal


def write_archive(network: Any, path: Path, text: str) -> None:
    """Writes a network, atomically.

    Args:
        network: A `keras.Model`.
        path: The file; its name ends in `.keras`.
        text: The description, JSON.

    Raises:
        ModelError: The name has another suffix.
        OutputError: The file cannot be written.
    """
    if path.suffix != SUFFIX:
        raise ModelError(f"{path}: expected a name that ends in {SUFFIX}")
    # Keras requires the suffix for the temporary file as well.
    with replaced_file(path, ending=f"{DRAFT}{SUFFIX}") as draft:
        network.save(draft)
        with zipfile.ZipFile(draft, "a") as archive:
            archive.writestr(zipfile.ZipInfo(MEMBER, _DATE), text)


def read_text(path: Path, *, what: str, wanted: str) -> bytes:
    """Returns the description in a file, after checking that the file is complete.

    Args:
        path: The file.
        what: Its name in messages, for example "detector".
        wanted: The expected content, for messages.

    Raises:
        ModelError: The file is missing, no archive, damaged, or has no description.
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
    """Returns the description parsed from the JSON in a file.

    Args:
        path: The file, for the messages.
        text: The JSON.
        read: Returns the description of the JSON object; its `ModelError`s get the path added.
        what: The file's name in messages.

    Raises:
        ModelError: It is malformed, or `read` refuses it.
    """
    try:
        return read(parse_json(text))
    except ModelError as error:
        raise ModelError(f"{what} {path}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ModelError(
            f"{what} {path}: {MEMBER} in it is malformed: {type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}"
        ) from error


def read_names(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the class names of a description.

    Raises:
        ModelError: They are not a list of strings.
    """
    names = record["class_names"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelError(f"class names: expected a list of names, got {short_repr(names)}")
    return tuple(names)


def load_weights(network: Any, path: str | os.PathLike[str], *, what: str, described: str) -> None:
    """Loads the weights in a file into a network.

    Args:
        network: A `keras.Model`.
        path: The file.
        what: Its name in messages.
        described: The network that the file describes, for the message.

    Raises:
        ModelError: The weights do not fit the network, or the file declares more than it contains.
    """
    checked(lambda: check_weights_member(Path(path), _WEIGHTS), ModelError, f"{what} {path}")
    try:
        network.load_weights(path)
    except MemoryError:
        raise
    except Exception as error:  # h5py and Keras raise many classes of errors
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
