"""What a person sees of a training of appearance: a bar, and a line for every epoch.

Comes in: steps and epochs. Goes out: text on stderr.
"""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tracker.training.reid import ReidEpoch


class ReidProgress:
    """A `ReidObserver` of a training.

    Args:
        epochs: All epochs.
        batch: Crops in a step.
        measure: What the score of an epoch is called.
        shown: Whether to show the bar; it also needs a terminal. Lines are always written.
    """

    def __init__(self, epochs: int, batch: int, *, shown: bool, measure: str = "rank-1") -> None:
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self._epochs, self._batch, self._measure = epochs, batch, measure
        self._progress = Progress(
            TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
            BarColumn(),
            TextColumn("loss {task.fields[loss]:.3f}, {task.fields[speed]:.0f} crops/s, left"),
            TimeRemainingColumn(),
            console=console,
            disable=not (shown and console.is_terminal),
        )
        self._task = self._progress.add_task("", total=None, loss=0.0, speed=0.0)
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

    def begin(self, step: int, total: int) -> None:
        """So many of all steps were taken before."""
        if step:
            self._progress.console.print(f"going on from the checkpoint at step {step} of {total}")
        self._progress.update(self._task, total=total, completed=step)

    def step(self, step: int, loss: float) -> None:
        """So many steps were taken; the last one had this loss."""
        self._times = [*self._times[-19:], time.monotonic()]
        span = self._times[-1] - self._times[0]
        speed = self._batch * (len(self._times) - 1) / span if span > 0 else 0.0
        self._progress.update(self._task, completed=step, loss=loss, speed=speed)

    def epoch(self, report: ReidEpoch) -> None:
        """An epoch ended."""
        facts = [f"epoch {report.epoch + 1}/{self._epochs}"]
        if report.loss is not None:
            facts.append(f"loss {report.loss:.3f}")
        if report.crops_per_s is not None:
            facts.append(f"{report.crops_per_s:.0f} crops/s")
        facts.append(f"{self._measure} {100 * report.score:.1f} %")
        self._progress.console.print(", ".join(facts))
