"""Reasons why a path cannot be read: the true cause, and the nearest existing name."""

import errno
import os
from itertools import islice
from pathlib import Path

from tracker.errors import nearest
from tracker.util.address import shown_source

_MOST_NAMES = 10_000


def missing_text(path: str | os.PathLike[str]) -> str:
    """Returns why a path does not exist, as text to follow `PATH: `.

    Args:
        path: The path as the user wrote it; it cannot be opened.

    Example:
        >>> missing_text("no-such-folder/in.mp4")
        'does not exist, and neither does its directory no-such-folder'
    """
    where = Path(path)
    link = _link_text(where)
    if link is not None:
        return link
    folder = where.parent
    if not folder.is_dir():
        shown = shown_source(str(folder))
        if folder.exists():
            return f"does not exist: {shown} is a file, not a directory"
        link = _link_text(folder)
        if link is not None:
            return f"does not exist: its directory {shown} {link}"
        return f"does not exist, and neither does its directory {shown}"
    try:
        with os.scandir(folder) as entries:
            known = sorted(entry.name for entry in islice(entries, _MOST_NAMES))
    except OSError:
        known = []
    wanted = where.name.strip().casefold()
    alike = [name for name in known if name.strip().casefold() == wanted]
    if alike:
        return f"does not exist; did you mean {alike[0]!r}? Case and spaces count"
    hint = (
        nearest(where.name, known) or f"; nothing in {shown_source(str(folder))} has a similar name"
    )
    return f"does not exist{hint}"


def unreadable_text(path: str | os.PathLike[str], error: OSError) -> str:
    """Returns why a path could not be read, as text to follow `PATH: `.

    Args:
        path: The path as the user wrote it.
        error: The error of opening or reading it.
    """
    if isinstance(error, FileNotFoundError | NotADirectoryError) or error.errno == errno.ELOOP:
        return missing_text(path)
    if isinstance(error, IsADirectoryError):
        return "expected a file, got a directory; name a file in it"
    if isinstance(error, PermissionError):
        return "permission denied; check its owner and mode with ls -l"
    return f"cannot be read: {error.strerror or error}"


def _link_text(path: Path) -> str | None:
    """Returns what is wrong with a symbolic link; `None` for a valid link or none."""
    if not path.is_symlink() or os.path.exists(path):
        return None
    target = os.readlink(path)
    try:
        os.stat(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return f"is a link to {target}, which leads back to itself; create the link again"
    return f"is a link to {target}, which does not exist; create the link again, or name the file"
