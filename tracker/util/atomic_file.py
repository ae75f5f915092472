"""Atomic replacement of files: written to a draft beside the old file, then moved into its place.

A process that is killed while it writes leaves the old file unchanged, and a draft beside it that
the next write of the same file overwrites.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from tracker.errors import OutputError, OutputTakenError, TrackerError

DRAFT = ".part"
"""Suffix of the name of a draft."""


@contextlib.contextmanager
def replaced_file(path: Path, *, ending: str = DRAFT) -> Iterator[Path]:
    """Yields the path of a draft that takes the place of a file at the end of the block.

    The file keeps its permissions; of a symbolic link, the target is replaced. After an error the
    draft is removed and the file is unchanged.

    Args:
        path: The file; it need not exist.
        ending: Suffix of the name of the draft: a writer may require a certain extension.

    Raises:
        OutputError: The draft cannot be written or moved, or the path names no regular file.
            Errors of this class from inside the block name the file instead of the draft.
    """
    target = _regular_file(path)
    draft = target.with_name(f"{target.name}{ending}")
    try:
        yield draft
        move_into_place(draft, target)
    except OutputTakenError as error:
        # The draft belongs to the process that writes it now.
        raise OutputTakenError(str(error).replace(str(draft), str(path))) from error
    except BaseException as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        if isinstance(error, OutputError):
            raise type(error)(str(error).replace(str(draft), str(path))) from error
        if isinstance(error, OSError) and not isinstance(error, TrackerError):
            raise _output_error(path, error) from error
        raise


def replace_bytes(path: Path, data: bytes, *, ending: str = DRAFT) -> None:
    """Writes a file, or replaces it at once.

    Raises:
        OutputError: It cannot be written.
    """
    with replaced_file(path, ending=ending) as draft:
        draft.write_bytes(data)


def replace_text(path: Path, text: str) -> None:
    """Writes a file in UTF-8 with the line ends of the text, or replaces it at once.

    Bytes of file names that are not UTF-8 are escaped, as JSON does it.

    Raises:
        OutputError: It cannot be written.
    """
    replace_bytes(path, text.encode("utf-8", "backslashreplace"))


def make_parent(path: Path) -> None:
    """Makes the folder that a file is to be written to, unless it exists.

    Raises:
        OutputError: It cannot be made; the message names the file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _output_error(path, error) from error


def move_into_place(draft: Path, target: Path) -> None:
    """Moves a finished draft to its file in the same folder, once its bytes are on the disk.

    Raises:
        OSError: The system refused.
    """
    with draft.open("r+b") as file:
        os.fsync(file.fileno())
    # Some file systems have no permissions.
    with contextlib.suppress(OSError):
        draft.chmod(stat.S_IMODE(target.stat().st_mode))
    draft.replace(target)


def _regular_file(path: Path) -> Path:
    """Returns the path behind all links, of a regular file or of none.

    Raises:
        OutputError: It is something else.
    """
    target = Path(os.path.realpath(path))
    try:
        is_other = target.exists() and not target.is_file()
    except OSError as error:
        raise _output_error(path, error) from error
    if is_other:
        what = "it is a directory" if target.is_dir() else "it is no regular file"
        raise OutputError(f"{path}: cannot be written: {what}")
    return target


def _output_error(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written: {error.strerror or error}")
