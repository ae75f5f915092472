"""The command `tracker`: parses the command line and reports errors in one line.

Exit codes: 0 done, 1 failed while running, 2 wrong use or configuration, 128 + signal number when
stopped by one. Commands are imported by name (`command_table`), heavy modules inside them.
"""

import gc
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from tracker.cli.command_table import Program
from tracker.cli.parsing import HELP, print_help_without_command, usage_error_text
from tracker.cli.shortage import refused_path_text, shortage_text
from tracker.errors import OutputClosed, TrackerError, shortened
from tracker.util.address import mask_words
from tracker.util.signals import Terminated, raise_on_termination
from tracker.util.terminal import (
    finish_streams,
    occupy_closed_descriptors,
    print_results,
    print_status,
    stdout_error,
)
from tracker.util.text import one_line
from tracker.version import __version__

_INFO_LOGGERS = ("tracker.detection", "tracker.embedding", "tracker.sources", "tracker.sinks")
"""Loggers whose INFO lines a user sees: how a third-party model or a source was recognised."""

app = typer.Typer(
    name="tracker",
    cls=Program,
    context_settings=HELP,
    help="Detect and track objects in video: webcam, streams, files, folders of images.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_results(f"tracker {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options_of_all_commands(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Detect and track objects in video: webcam, streams, files, folders of images."""
    print_help_without_command(context)


def main(words: Sequence[str] | None = None) -> None:
    """Runs the command and exits.

    Args:
        words: The arguments after `tracker`; `None` for those of `sys.argv`.
    """
    words = sys.argv[1:] if words is None else words
    occupy_closed_descriptors()
    _set_up_libraries()
    debug = "--debug" in words
    # `--debug` is accepted anywhere: `tracker run --debug` as well as `tracker --debug run`.
    arguments = [word for word in words if word != "--debug"]
    handler, logger = _StderrHandler(words), logging.getLogger("tracker")
    logger.addHandler(handler)
    # TensorFlow's converter gives the root logger a handler, which would repeat every line.
    propagated, logger.propagate = logger.propagate, False
    for name in _INFO_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
    try:
        with raise_on_termination():
            code = _exit_code(arguments, debug=debug)
    except Terminated as stopped:
        code = _print_error("terminated", stopped.exit_code)
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated
        gc.unfreeze()  # what `loading` has excluded, for callers that go on
    failure = finish_streams()
    if failure is not None and not isinstance(failure, OutputClosed):
        code = code or _print_error(str(failure), failure.exit_code)
    sys.exit(code)


def _exit_code(arguments: Sequence[str], *, debug: bool) -> int:
    """Returns the exit code of a command line, after running it and printing its error."""
    try:
        return app(args=arguments, prog_name="tracker", standalone_mode=False) or 0
    except typer.TyperException as error:
        return _print_error(mask_words(usage_error_text(error), arguments), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _print_error("interrupted", 130)
    except (OutputClosed, BrokenPipeError):
        return 0  # The reader of the output, such as `head`, closed it: no error.
    except Exception as error:
        return _print_exception(error, arguments, debug=debug)


def _print_exception(error: Exception, words: Sequence[str], *, debug: bool) -> int:
    """Returns the exit code of an error, after printing one line or the traceback."""
    is_ours = isinstance(error, TrackerError)
    if isinstance(error, OSError) and not is_ours and {"-h", "--help"} & set(words):
        error = stdout_error(error)  # Typer prints its help itself.
    code = error.exit_code if isinstance(error, TrackerError) else 1
    if isinstance(error, TrackerError) and not debug:
        return _print_error(mask_words(error.full_text, words), code)
    refused = None if debug else refused_path_text(error)
    if refused is not None:
        return _print_error(mask_words(refused, words), TrackerError.exit_code)
    shortage = None if debug else shortage_text(error)
    if shortage is not None:
        return _print_error(mask_words(shortage, words), code)
    # A bug of this program, or `--debug`: a bug report needs the traceback.
    trace = "".join(traceback.format_exception(error))
    print_status(*mask_words(trace, words).splitlines())
    return code


def _print_error(message: str, code: int) -> int:
    """Returns the exit code, after printing the message."""
    print_status(f"tracker: error: {one_line(shortened(message))}")
    return code


class _StderrHandler(logging.Handler):
    """Writes lines such as `tracker: warning: ...` to the current stderr.

    Args:
        words: The command line; secrets of addresses in it are masked.
    """

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(logging.INFO)
        self._words = words

    def emit(self, record: logging.LogRecord) -> None:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        message = mask_words(record.getMessage(), self._words)
        print_status(f"tracker: {level}{one_line(message)}")


def _set_up_libraries() -> None:
    """Turns messages, plugins and threads of libraries off, unless the user set their variables."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    # pydantic looks for them by reading a file of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # OpenBLAS, in NumPy and in OpenCV, starts a thread for each core when it is loaded: 60 ms with
    # two cores. The matrices here are too small for them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
