"""The progress bar on standard error of every long command, and lines above it."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tracker.util.terminal import print_status, status_console, status_may_be_terminal
from tracker.util.text import one_line

if TYPE_CHECKING:
    from rich.progress import Progress

_WINDOW = 30
"""Updates over which the speed is averaged."""


class WorkBar:
    """Work done, its speed and the time left.

    Args:
        done: What is counted, in the format of `rich.progress.TextColumn`.
        speed: The speed, likewise, with the field `speed` and those of `fields`.
        total: The total; `None` where it is set later.
        shown: Whether to show the bar; it also needs a terminal. Lines are always written.
        spinner: Whether a spinner stands on the left.
        right: Text on the right, likewise, with access to `fields`.
        fields: Initial values of additional fields.
    """

    def __init__(
        self,
        done: str,
        speed: str,
        *,
        total: int | None,
        shown: bool,
        spinner: bool = False,
        right: str = "",
        **fields: Any,
    ) -> None:
        self._times: list[float] = []
        self._progress: Progress | None = None
        # rich takes 25 ms to load.
        if shown and status_may_be_terminal():
            self._progress = _progress((done, speed, right), spinner=spinner)
            self._task = self._progress.add_task("", total=total, speed=0.0, **fields)

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def update(self, completed: int, *, total: int | None = None) -> None:
        """Sets the completed amount, and the total where it changed."""
        changes: dict[str, Any] = {} if total is None else {"total": total}
        if self._progress is not None:
            self._progress.update(self._task, completed=completed, **changes)

    def advance(self, completed: int, *, share: int = 1, **fields: Any) -> None:
        """Sets the completed amount, for an update of the speed.

        Args:
            completed: The completed amount.
            share: Amount of one update in the speed.
            fields: Additional fields that changed.
        """
        if self._progress is None:
            return
        self._times = [*self._times[1 - _WINDOW :], time.monotonic()]
        span = self._times[-1] - self._times[0]
        speed = share * (len(self._times) - 1) / span if span > 0 else 0.0
        self._progress.update(self._task, completed=completed, speed=speed, **fields)

    def line(self, text: str) -> None:
        """Writes a line above the bar, made printable."""
        if self._progress is None:
            print_status(one_line(text))
        else:
            self._progress.console.print(one_line(text))


def _progress(texts: tuple[str, str, str], *, spinner: bool) -> "Progress":
    """Returns a bar of rich with the texts before it, after it, and on the right."""
    from rich import progress

    done, speed, right = (progress.TextColumn(text, markup=False) for text in texts)
    console = status_console()
    return progress.Progress(
        *([progress.SpinnerColumn()] if spinner else []),
        done,
        progress.BarColumn(),
        speed,
        progress.TimeRemainingColumn(),
        *([right] if texts[2] else []),
        console=console,
        disable=not console.is_terminal,
    )
