"""Reads model files as bytes, with one-line errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from tracker.errors import DataError, ModelError
from tracker.util.archives import check_size
from tracker.util.paths import missing_text, unreadable_text


def check_model_file(path: str | PathLike[str], *, what: str) -> None:
    """Checks that a file is readable and not empty, without reading all of it.

    Args:
        path: The file.
        what: Its name in messages, for example "darknet cfg".

    Raises:
        ModelError: The file is missing, a directory, unreadable, empty, or too large.
    """
    with _named_errors(Path(path), what) as file, file.open("rb") as stream:
        start = stream.read(1)
    _check_not_empty(start, file, what)


def read_model_file(path: str | PathLike[str], *, what: str) -> bytes:
    """Returns the bytes of a file, at least one.

    Args:
        path: The file.
        what: Its name in messages, for example "darknet cfg".

    Raises:
        ModelError: The file is missing, a directory, unreadable, empty, or too large.
    """
    with _named_errors(Path(path), what) as file:
        data = file.read_bytes()
    _check_not_empty(data, file, what)
    return data


def weights_beside(cfg: str | PathLike[str]) -> Path:
    """Returns the path of the `.weights` of the same name beside a darknet `.cfg`.

    Args:
        cfg: The `.cfg`; if it does not exist, its reader reports that.

    Raises:
        ModelError: The `.cfg` exists without such a file beside it.
    """
    weights = Path(cfg).with_suffix(".weights")
    if Path(cfg).exists() and not weights.exists():
        raise ModelError(
            f"darknet cfg {cfg}: expected its weights beside it, of the same name, but {weights} "
            f"{missing_text(weights)}; name them with --weights"
        )
    return weights


@contextmanager
def _named_errors(file: Path, what: str) -> Iterator[Path]:
    """Yields a file to read, after checking its size; raises a `ModelError` if reading fails."""
    if file.is_dir():
        raise ModelError(f"{what} {file}: expected a file, got a directory")
    try:
        check_size(file)
        yield file
    except DataError as error:
        raise ModelError(f"{what} {file}: {error}") from error
    except OSError as error:
        raise ModelError(f"{what} {file}: {unreadable_text(file, error)}") from error
    except ValueError as error:
        raise ModelError(f"{what} {file}: cannot be read: {error}") from error


def _check_not_empty(data: bytes, file: Path, what: str) -> None:
    if not data:
        raise ModelError(f"{what} {file}: the file has 0 bytes; copy or download it again")
