"""Text results of commands: a file, or standard output."""

from pathlib import Path

from tracker.errors import OutputError
from tracker.sinks.output_file import STDOUT
from tracker.util.terminal import write_stdout


def write_text(path: str, text: str) -> None:
    """Writes a text as UTF-8 to a file, or to standard output for "-".

    Raises:
        OutputClosed: The reader of standard output has gone away.
        OutputError: It cannot be written.
    """
    if path == STDOUT:
        write_stdout(text)
        return
    try:
        Path(path).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
