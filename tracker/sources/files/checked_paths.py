"""Checks of paths typed by users, with errors that name the nearest existing name."""

from pathlib import Path

from tracker.errors import SourceError
from tracker.util.address import shown_source
from tracker.util.paths import missing_text, unreadable_text


def readable_file(text: str) -> Path:
    """Returns the path of a regular file that can be opened and is not empty.

    Args:
        text: The path as the user wrote it.

    Raises:
        SourceError: It does not exist, is a directory or a device, is empty, or may not be read.
    """
    path = Path(text)
    try:
        if not path.exists():
            raise missing(text)
        if path.is_dir():
            raise SourceError(f"{text}: expected a file, got a directory; name a file in it")
        if not path.is_file():
            raise SourceError(f"{text}: expected a regular file, got a device, pipe or socket")
        with path.open("rb") as file:
            empty = not file.read(1)
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"{text}: {unreadable_text(text, error)}") from error
    except ValueError as error:
        raise SourceError(f"{text}: cannot be opened: {error}") from error
    if empty:
        raise SourceError(f"{text}: the file is empty (0 bytes); record or copy it again")
    return path


def missing(text: str) -> SourceError:
    """Returns the error for a path that does not exist, naming the closest name beside it."""
    return SourceError(f"{shown_source(text)}: {missing_text(text)}")
