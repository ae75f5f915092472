"""The progress bar on standard error of every long command, and lines above it."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

from tracker.util.terminal import status_console
from tracker.util.text import one_line

_WINDOW = 30
"""Updates over which the speed is averaged."""


class WorkBar:
    """Work done, its speed and the time left.

    Args:
        done: What is counted, in the format of `rich.progress.TextColumn`.
        speed: The speed, likewise, with the field `speed` and those of `fields`.
        total: The total; `None` where it is set later.
        shown: Whether to show the bar; it also needs a terminal. Lines are always written.
        left: Additional columns on the left.
        right: Additional columns on the right, with access to `fields`.
        fields: Initial values of additional fields.
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
        """Sets the completed amount, and the total where it changed."""
        changes: dict[str, Any] = {} if total is None else {"total": total}
        self._progress.update(self._task, completed=completed, **changes)

    def advance(self, completed: int, *, share: int = 1, **fields: Any) -> None:
        """Sets the completed amount, for an update of the speed.

        Args:
            completed: The completed amount.
            share: Amount of one update in the speed.
            fields: Additional fields that changed.
        """
        self._times = [*self._times[1 - _WINDOW :], time.monotonic()]
        span = self._times[-1] - self._times[0]
        speed = share * (len(self._times) - 1) / span if span > 0 else 0.0
        self._progress.update(self._task, completed=completed, speed=speed, **fields)

    def line(self, text: str) -> None:
        """Writes a line above the bar, made printable."""
        self._progress.console.print(one_line(text))
