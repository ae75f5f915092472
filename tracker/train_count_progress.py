"""What a person sees while pictures are worked through: a bar.

Comes in: how many are done. Goes out: text on stderr.
"""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class CountProgress:
    """A bar of pictures done, pictures a second and time left.

    Args:
        total: All pictures.
        shown: Whether to show the bar; it also needs a terminal.
    """

    def __init__(self, total: int, *, shown: bool) -> None:
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self._progress = Progress(
            TextColumn("{task.completed:.0f}/{task.total:.0f} pictures"),
            BarColumn(),
            TextColumn("{task.fields[speed]:.1f} pictures/s, left"),
            TimeRemainingColumn(),
            console=console,
            disable=not (shown and console.is_terminal),
        )
        self._task = self._progress.add_task("", total=total, speed=0.0)
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

    def done(self, count: int) -> None:
        """So many pictures are done."""
        self._times = [*self._times[-19:], time.monotonic()]
        span = self._times[-1] - self._times[0]
        speed = (len(self._times) - 1) / span if span > 0 else 0.0
        self._progress.update(self._task, completed=count, speed=speed)
