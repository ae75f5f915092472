"""Progress of trainings and of data preparation: a progress bar, and a line for each epoch.

Does not load Keras.
"""

import time

from tracker.training.observers import EpochReport
from tracker.util.progress_bar import WorkBar


class CountProgress(WorkBar):
    """A progress bar: items done, items per second, and time left.

    Args:
        total: Number of items.
        shown: Whether to show the bar; it also needs a terminal.
        things: Plural name of the items.
    """

    def __init__(self, total: int, *, shown: bool, things: str = "images") -> None:
        super().__init__(
            f"{{task.completed:.0f}}/{{task.total:.0f}} {things}",
            f"{{task.fields[speed]:.1f}} {things}/s, left",
            total=total,
            shown=shown,
        )

    def done(self, count: int) -> None:
        """Sets the number of items done."""
        self.advance(count)


class StepProgress(WorkBar):
    """Progress of a training, in steps.

    Args:
        epochs: Number of epochs.
        batch: Items in a step.
        things: Plural name of the items, for example "images".
        shown: Whether to show the bar; it also needs a terminal. Lines are always printed.
    """

    def __init__(self, epochs: int, batch: int, *, things: str, shown: bool) -> None:
        super().__init__(
            "step {task.completed:.0f}/{task.total:.0f}",
            f"loss {{task.fields[loss]:.3f}}, {{task.fields[speed]:.0f}} {things}/s, left",
            total=None,
            shown=shown,
            loss=0.0,
        )
        self._epochs, self._batch = epochs, batch

    def begin(self, step: int, total: int) -> None:
        """Sets the number of steps done before, and of all steps."""
        if step:
            self.line(f"resuming from the checkpoint at step {step} of {total}")
        self.update(step, total=total)

    def step(self, step: int, loss: float) -> None:
        """Sets the number of steps done, and the loss of the last one."""
        self.advance(step, share=self._batch, loss=loss)

    def facts(self, report: EpochReport) -> list[str]:
        """Returns the values that every training prints for an epoch."""
        loss = [] if report.loss is None else [f"loss {report.loss:.3f}"]
        return [f"epoch {report.epoch + 1}/{self._epochs}", *loss]


class TrainProgress(StepProgress):
    """An `Observer` of a detector's training.

    Args:
        epochs: Number of epochs.
        batch: Images in a step.
        shown: Whether to show the bar; it also needs a terminal. Lines are always printed.
    """

    def __init__(self, epochs: int, batch: int, *, shown: bool) -> None:
        super().__init__(epochs, batch, things="images", shown=shown)
        self._total = 0
        self._began = (0, 0.0)

    def begin(self, step: int, total: int) -> None:
        """Sets the number of steps done before, and of all steps."""
        self._total, self._began = total, (step, time.monotonic())
        super().begin(step, total)

    def epoch(self, report: EpochReport) -> None:
        """Prints the results of an epoch."""
        facts = self.facts(report)
        if report.images_per_s is not None:
            facts.append(f"{report.images_per_s:.1f} images/s")
        if report.score is not None:
            facts.append(f"AP50 {100 * report.score:.1f} %")
        steps, since = report.step - self._began[0], time.monotonic() - self._began[1]
        if steps and report.step < self._total:
            left = since / steps * (self._total - report.step)
            facts.append(f"{_clock(left)} left")
        self.line(", ".join(facts))


class ReidProgress(StepProgress):
    """An `Observer` of an appearance network's training.

    Args:
        epochs: Number of epochs.
        batch: Crops in a step.
        measure: Name of the score of an epoch.
        shown: Whether to show the bar; it also needs a terminal. Lines are always printed.
    """

    def __init__(self, epochs: int, batch: int, *, shown: bool, measure: str = "rank-1") -> None:
        super().__init__(epochs, batch, things="crops", shown=shown)
        self._measure = measure

    def epoch(self, report: EpochReport) -> None:
        """Prints the results of an epoch."""
        facts = self.facts(report)
        if report.images_per_s is not None:
            facts.append(f"{report.images_per_s:.0f} crops/s")
        if report.score is not None:
            facts.append(f"{self._measure} {100 * report.score:.1f} %")
        self.line(", ".join(facts))


def _clock(seconds: float) -> str:
    """Returns `H:MM:SS`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
