"""Model files as bytes, with one-line errors.

Comes in: a path. Goes out: its bytes; everything that can be wrong with it is a `ModelError`.
"""

from os import PathLike
from pathlib import Path

from tracker.errors import DataError, ModelError
from tracker.util.archives import check_size
from tracker.util.paths import missing_text, unreadable_text


def check_model_file(path: str | PathLike[str], *, what: str) -> None:
    """Checks that a file can be read and has at least one byte, without reading all of it.

    Args:
        path: The file.
        what: What the messages call it, for example "darknet cfg".

    Raises:
        ModelError: The file is missing, a directory, unreadable, empty, or too large.
    """
    file = Path(path)
    if file.is_dir():
        raise ModelError(f"{what} {file}: expected a file, got a directory")
    try:
        check_size(file)
        with file.open("rb") as stream:
            start = stream.read(1)
    except DataError as error:
        raise ModelError(f"{what} {file}: {error}") from error
    except OSError as error:
        raise ModelError(f"{what} {file}: {unreadable_text(file, error)}") from error
    except ValueError as error:
        raise ModelError(f"{what} {file}: cannot be read: {error}") from error
    if not start:
        raise ModelError(f"{what} {file}: the file has 0 bytes; copy or download it again")


def read_model_file(path: str | PathLike[str], *, what: str) -> bytes:
    """Returns the bytes of a file, at least one.

    Args:
        path: The file.
        what: What the messages call it, for example "darknet cfg".

    Raises:
        ModelError: The file is missing, a directory, unreadable, empty, or too large.
    """
    file = Path(path)
    if file.is_dir():
        raise ModelError(f"{what} {file}: expected a file, got a directory")
    try:
        check_size(file)
        data = file.read_bytes()
    except DataError as error:
        raise ModelError(f"{what} {file}: {error}") from error
    except OSError as error:
        raise ModelError(f"{what} {file}: {unreadable_text(file, error)}") from error
    except ValueError as error:
        raise ModelError(f"{what} {file}: cannot be read: {error}") from error
    if not data:
        raise ModelError(f"{what} {file}: the file has 0 bytes; copy or download it again")
    return data


def weights_beside(cfg: str | PathLike[str]) -> Path:
    """Returns the `.weights` of the same name beside a Darknet `.cfg`.

    Args:
        cfg: The `.cfg`; where it does not exist, its reader says so.

    Raises:
        ModelError: The `.cfg` is there and no such file beside it.
    """
    weights = Path(cfg).with_suffix(".weights")
    if Path(cfg).exists() and not weights.exists():
        raise ModelError(
            f"darknet cfg {cfg}: expected its weights beside it, named alike, but {weights} "
            f"{missing_text(weights)}; name them with --weights"
        )
    return weights
