"""Writing to the terminal: status on standard error, results on standard output.

The only module that prints; it makes all lines printable. A standard error that is closed, full or
no longer read never changes what the program does; results that cannot be written are an error.
"""

import errno
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from tracker.errors import OutputClosed, OutputError
from tracker.util.text import printable


def print_status(*lines: str) -> None:
    """Writes lines to standard error; failures to write are ignored.

    Args:
        lines: Lines without their end; a line break within one is escaped.
    """
    UnfailingStderr().write("".join(f"{printable(line)}\n" for line in lines))


def print_results(*lines: str) -> None:
    """Writes lines to standard output.

    Args:
        lines: Lines without their end; a line break within one is escaped.

    Raises:
        OutputClosed: The reader of standard output has gone away.
        OutputError: Standard output is closed, full, or fails otherwise.
    """
    write_stdout("".join(f"{printable(line)}\n" for line in lines))


def write_stdout(text: str) -> None:
    """Writes text for other programs, such as JSON, to standard output unchanged.

    Raises:
        OutputClosed: The reader of standard output has gone away.
        OutputError: Standard output is closed, full, or fails otherwise.
    """
    if sys.stdout is None:
        raise stdout_error(OSError(errno.EBADF, "it is closed"))
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except OSError as error:
        raise stdout_error(error) from error


class UnfailingStderr:
    """Standard error as a text file that can always be written; `rich` takes it as a file.

    It keeps the `sys.stderr` of its construction: while a bar is shown, rich replaces `sys.stderr`
    by an object that writes to its console, and so to this.
    """

    def __init__(self) -> None:
        self._stream = sys.stderr

    @property
    def encoding(self) -> str:
        """The encoding of standard error."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Returns the number of characters, whether or not they were written."""
        with suppress(OSError, ValueError):  # ValueError: it was closed within this process
            if self._stream is not None:
                self._stream.write(text)
                self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """Does nothing: each write is flushed."""

    def isatty(self) -> bool:
        """Returns whether standard error is a terminal."""
        with suppress(OSError, ValueError):
            return self._stream is not None and self._stream.isatty()
        return False

    def fileno(self) -> int:
        """Returns the descriptor of standard error.

        Raises:
            OSError: There is none.
        """
        if self._stream is None:
            raise OSError(errno.EBADF, "standard error is closed")
        return self._stream.fileno()


def print_table(table: Any, *, stderr: bool = False, width: int | None = None) -> None:
    """Prints a rich table, whose cells of foreign text are `rich.text.Text(printable(...))`.

    Args:
        table: The table.
        stderr: Whether to print on standard error, where standard output is used for other results.
        width: Columns of the terminal; `None` for its own width.

    Raises:
        OutputClosed: The reader of standard output has gone away.
        OutputError: Standard output is full, or fails otherwise.
    """
    console = _console(UnfailingStderr() if stderr else sys.stdout)
    if width is not None:
        console.width = width
    try:
        console.print(table)
        if not stderr and sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        raise stdout_error(error) from error


def status_console() -> Any:
    """Returns a `rich.console.Console` on standard error that never fails and reads no markup."""
    return _console(UnfailingStderr(), markup=False, soft_wrap=True)


def status_may_be_terminal() -> bool:
    """Returns whether rich, which knows more signs, could take standard error for a terminal."""
    is_claimed = any(name in os.environ for name in ("FORCE_COLOR", "TTY_COMPATIBLE"))
    return is_claimed or UnfailingStderr().isatty()


def occupy_closed_descriptors() -> None:
    """Opens the null device in place of standard descriptors that are closed (`2>&-`).

    Otherwise the next file that is opened becomes standard error, and messages of FFmpeg or
    TensorFlow would be written into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free descriptor is the one that is closed.
            os.open(os.devnull, os.O_RDWR)


def finish_streams() -> OutputError | None:
    """Flushes the standard streams; returns the error of standard output, if any.

    A failing stream is redirected to the null device: else Python reports it at exit, with an exit
    code of its own.
    """
    failure = None
    for stream in (sys.stdout, sys.stderr):
        if stream is None or stream.closed:
            continue
        try:
            stream.flush()
        except OSError as error:
            _silence(stream)
            if stream is sys.stdout:
                failure = stdout_error(error)
    return failure


def _console(file: Any, **options: Any) -> Any:
    from rich.console import Console

    class PlainConsole(Console):
        """A console that raises on a broken pipe, where rich would end the program."""

        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704 - rich calls it where it handles the error

    return PlainConsole(file=file, highlight=False, **options)


def _silence(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError):
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class _StdoutError(OutputError):
    exit_code = 1


def stdout_error(error: OSError) -> OutputError:
    """Returns the error to raise where standard output could not be written."""
    if isinstance(error, BrokenPipeError):
        return OutputClosed("cannot write stdout: its reader has gone away")
    why = "disk full" if error.errno == errno.ENOSPC else error.strerror or str(error)
    return _StdoutError(f"cannot write stdout: {why}")
