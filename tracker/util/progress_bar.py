"""The progress bar on standard error of every command that takes long, and lines above it."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

from tracker.util.terminal import status_console
from tracker.util.text import one_line

_WINDOW = 30
"""Updates that the speed is taken from."""


class WorkBar:
    """Work done, its speed and the time left.

    Args:
        done: What is counted, in the format of `rich.progress.TextColumn`.
        speed: How fast, likewise; knows the field `speed` and those of `fields`.
        total: All of it; `None` where that is told later.
        shown: Whether to show the bar; it also needs a terminal. Lines are always written.
        left: Further columns to the left of all.
        right: Further columns to the right of all; they know `fields`.
        fields: Further fields, as they are at the beginning.
    """

    def __init__(
        self,
        done: str,
        speed: str,
        *,
        total: int | None,
        shown: bool,
        left: Sequence[ProgressColumn] = (),
        right: Sequence[ProgressColumn] = (),
        **fields: Any,
    ) -> None:
        console = status_console()
        self._progress = Progress(
            *left,
            TextColumn(done, markup=False),
            BarColumn(),
            TextColumn(speed, markup=False),
            TimeRemainingColumn(),
            *right,
            console=console,
            disable=not (shown and console.is_terminal),
        )
        self._task = self._progress.add_task("", total=total, speed=0.0, **fields)
        self._times: list[float] = []

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def update(self, completed: int, *, total: int | None = None) -> None:
        """Sets how much is done, and of how much where that is new."""
        changes: dict[str, Any] = {} if total is None else {"total": total}
        self._progress.update(self._task, completed=completed, **changes)

    def advance(self, completed: int, *, share: int = 1, **fields: Any) -> None:
        """Sets how much is done, just now.

        Args:
            completed: All that is done.
            share: What one update stands for in the speed.
            fields: Further fields that changed.
        """
        self._times = [*self._times[1 - _WINDOW :], time.monotonic()]
        span = self._times[-1] - self._times[0]
        speed = share * (len(self._times) - 1) / span if span > 0 else 0.0
        self._progress.update(self._task, completed=completed, speed=speed, **fields)

    def line(self, text: str) -> None:
        """Writes a line above the bar, made printable."""
        self._progress.console.print(one_line(text))
