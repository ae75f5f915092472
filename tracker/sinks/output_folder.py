"""A folder of files with a table of them, that a run fills."""

import errno
import os
from contextlib import suppress
from pathlib import Path

from tracker.errors import OutputError, OutputTakenError
from tracker.sinks.place import Existing, check_writable, output_error
from tracker.util.atomic_file import replace_text


class OutputFolder:
    """The folder; what an earlier run left in it is removed when the first result is there.

    Args:
        path: The folder; it need not exist.
        table: Name of the table, by which the results of an earlier run are recognised.
        pattern: Names of the files, as a glob pattern; no others are removed.
        existing: Whether the results of an earlier run may be replaced.

    Raises:
        OutputTakenError: It has the table of an earlier run, which may not be replaced.
        OutputError: It is a file, or cannot be written.
    """

    def __init__(self, path: str, table: str, pattern: str, existing: Existing) -> None:
        self.path = Path(path)
        self.is_begun = False
        self._table, self._pattern = table, pattern
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(f"cannot write {path}: expected a folder, got a file; name another")
        check_writable(str(self.path / table))
        if existing is Existing.REFUSE and (self.path / table).exists():
            raise OutputTakenError(
                f"cannot write {path}: it has a {table}, and --no-clobber keeps it; name another "
                "folder"
            )

    def begin(self, source: str) -> None:
        """Creates the folder, and removes what an earlier run left in it; again, it does nothing.

        Args:
            source: The source as the user named it; its folder of images is not written.

        Raises:
            OutputError: The folder is the source.
            OSError: It cannot be created or emptied.
        """
        if self.is_begun:
            return
        if _is_same(self.path, source):
            raise OutputError(
                f"cannot write {self.path}: it is the source itself; name another folder"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        if (self.path / self._table).exists():
            for old in self.path.glob(self._pattern):
                old.unlink()
            (self.path / self._table).unlink()
        self.is_begun = True

    def write(self, name: str, content: bytes) -> None:
        """Writes or replaces a file.

        Raises:
            OSError: It cannot be written; a file of that name is then removed.
        """
        path = self.path / name
        try:
            path.write_bytes(content)
        except OSError:
            with suppress(OSError):
                path.unlink()
            raise

    def finish(self, table: str) -> None:
        """Writes the table.

        Raises:
            OutputError: It cannot be written.
        """
        path = self.path / self._table
        if not self.path.is_dir():
            missing = FileNotFoundError(errno.ENOENT, "the folder was removed")
            raise output_error(str(path), missing)
        replace_text(path, table)


def _is_same(path: Path, source: str) -> bool:
    try:
        return os.path.samefile(path, source)
    except (OSError, ValueError):
        return False
