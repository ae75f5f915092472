"""Text results of commands: a file, or standard output."""

from pathlib import Path

from tracker.sinks.output_file import STDOUT
from tracker.sinks.place import check_writable, output_error
from tracker.util.atomic_file import make_parent
from tracker.util.terminal import write_stdout


def check_text_output(path: str) -> None:
    """Checks that `write_text` could write, before the work whose result it writes.

    Raises:
        OutputError: It could not.
    """
    if path != STDOUT:
        check_writable(path)


def write_text(path: str, text: str) -> None:
    """Writes a text as UTF-8 to a file, or to standard output for "-".

    A missing folder is created.

    Raises:
        OutputClosed: The reader of standard output has gone away.
        OutputError: It cannot be written.
    """
    if path == STDOUT:
        write_stdout(text)
        return
    make_parent(Path(path))
    try:
        Path(path).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise output_error(path, error) from error
