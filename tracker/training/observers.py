"""Progress reports of a training, and their receivers."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class EpochReport:
    """How an epoch went.

    Attributes:
        epoch: Its number, from 0.
        step: Steps taken so far.
        loss: Mean of the losses since the epoch began or was resumed; `None` if no step was left.
        images_per_s: Images or crops a second; `None` likewise.
        score: Of the validation, the higher the better: AP50 of a detector; `None` if there was
            none.
    """

    epoch: int
    step: int
    loss: float | None
    images_per_s: float | None
    score: float | None


class Observer(Protocol):
    """Receives progress reports of a training."""

    def begin(self, step: int, total: int) -> None:
        """Called at the start with the number of earlier steps and of all steps."""
        ...

    def step(self, step: int, loss: float) -> None:
        """Called after a step with the number of steps and its loss."""
        ...

    def epoch(self, report: EpochReport) -> None:
        """Called at the end of an epoch."""
        ...


class NoObserver:
    """Ignores all reports."""

    def begin(self, step: int, total: int) -> None:
        """Does nothing."""

    def step(self, step: int, loss: float) -> None:
        """Does nothing."""

    def epoch(self, report: EpochReport) -> None:
        """Does nothing."""
