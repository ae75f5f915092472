"""Checks whether a window can be opened."""

from collections.abc import Callable

from tracker.doctor.check import Check, ok, warning
from tracker.errors import OutputError
from tracker.sinks.window import check_display


def display_checks() -> list[Check]:
    """Returns whether OpenCV can open a window."""
    return [display_check(check_display)]


def display_check(try_window: Callable[[], None]) -> Check:
    """Returns whether a window can be opened.

    Args:
        try_window: Raises `OutputError` if not; its message ends in "; use ..." what to try.
    """
    try:
        try_window()
    except OutputError as error:
        detail, _, mend = str(error).rpartition("; use ")
        return warning("display", detail or str(error), f"Use {mend}.")
    return ok("display", "a window was opened, --show works")
