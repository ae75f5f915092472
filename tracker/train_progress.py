"""What a person sees of a training: a bar while it goes on, a line for every epoch.

Comes in: steps and epochs. Goes out: text on stderr.
"""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from tracker.training.detector import EpochReport


class TrainProgress:
    """An `Observer` of a training.

    Args:
        epochs: All epochs.
        batch: Pictures in a step.
        shown: Whether to show the bar; it also needs a terminal. Lines are always written.
    """

    def __init__(self, epochs: int, batch: int, *, shown: bool) -> None:
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self._epochs, self._batch = epochs, batch
        self._progress = Progress(
            TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
            BarColumn(),
            TextColumn("loss {task.fields[loss]:.3f}, {task.fields[speed]:.0f} images/s, left"),
            TimeRemainingColumn(),
            console=console,
            disable=not (shown and console.is_terminal),
        )
        self._task = self._progress.add_task("", total=None, loss=0.0, speed=0.0)
        self._times: list[float] = []
        self._total = 0
        self._began = (0, 0.0)

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
        self._total, self._began = total, (step, time.monotonic())
        if step:
            self._line(f"going on from the checkpoint at step {step} of {total}")
        self._progress.update(self._task, total=total, completed=step)

    def step(self, step: int, loss: float) -> None:
        """So many steps were taken; the last one had this loss."""
        self._times = [*self._times[-19:], time.monotonic()]
        span = self._times[-1] - self._times[0]
        speed = self._batch * (len(self._times) - 1) / span if span > 0 else 0.0
        self._progress.update(self._task, completed=step, loss=loss, speed=speed)

    def epoch(self, report: EpochReport) -> None:
        """An epoch ended."""
        facts = [f"epoch {report.epoch + 1}/{self._epochs}"]
        if report.loss is not None:
            facts.append(f"loss {report.loss:.3f}")
        if report.images_per_s is not None:
            facts.append(f"{report.images_per_s:.1f} images/s")
        if report.ap50 is not None:
            facts.append(f"AP50 {100 * report.ap50:.1f} %")
        steps, since = report.step - self._began[0], time.monotonic() - self._began[1]
        if steps and report.step < self._total:
            left = since / steps * (self._total - report.step)
            facts.append(f"{_clock(left)} left")
        self._line(", ".join(facts))

    def _line(self, text: str) -> None:
        self._progress.console.print(text)


def _clock(seconds: float) -> str:
    """Returns `H:MM:SS`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
