"""SHA-256 digests of network files and of SavedModel folders."""

import hashlib
from pathlib import Path

from tracker.errors import ModelError
from tracker.util.paths import unreadable_text

_PARTS = ("saved_model.pb", "saved_model.pbtxt", "variables/*", "assets/*")
"""The parts of a SavedModel that determine its results; the exporter's own notes are left out."""


def network_file_digest(path: Path) -> str:
    """Returns the SHA-256 of a file as 64 hexadecimal digits; large files are read in pieces.

    Args:
        path: The file of a network, at least one byte long.

    Raises:
        ModelError: The file is missing, a folder, unreadable or empty.
    """
    if path.is_dir():
        raise ModelError(f"network {path}: expected a file, got a folder")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
    except OSError as error:
        raise ModelError(f"network {path}: {unreadable_text(path, error)}") from error
    except ValueError as error:
        raise ModelError(f"network {path}: cannot be read: {error}") from error
    if not size:
        raise ModelError(f"network {path}: the file has 0 bytes; copy or download it again")
    return digest


def saved_model_digest(folder: Path) -> str:
    """Returns the SHA-256 of a SavedModel as 64 hexadecimal digits.

    It is that of a text with a line for each file of `saved_model.pb`, `variables/` and `assets/`,
    sorted by name: the file's own SHA-256, two spaces, its path within the folder. In the folder,
    `LC_ALL=C sha256sum saved_model.pb variables/* assets/* | sort -k 2 | sha256sum` gives the same.

    Args:
        folder: The SavedModel.

    Raises:
        ModelError: It cannot be read, or a file in it has 0 bytes.
    """
    files = {
        file.relative_to(folder).as_posix(): file
        for pattern in _PARTS
        for file in folder.glob(pattern)
        if file.is_file()
    }
    lines = [f"{network_file_digest(files[name])}  {name}\n" for name in sorted(files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
