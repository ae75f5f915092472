"""What a training tells of itself.

Comes in: nothing. Goes out: the types of reports and of those who take them; loads no Keras.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class EpochReport:
    """How an epoch went.

    Attributes:
        epoch: Its number, from 0.
        step: Steps taken so far.
        loss: Mean of the losses since the epoch began or was resumed; `None` if no step was left.
        images_per_s: Pictures or crops learned from in a second; `None` likewise.
        score: Of the validation, the higher the better: AP50 of a detector; `None` if there was
            none.
    """

    epoch: int
    step: int
    loss: float | None
    images_per_s: float | None
    score: float | None


class Observer(Protocol):
    """Is told how a training goes."""

    def begin(self, step: int, total: int) -> None:
        """So many of all steps were taken before."""
        ...

    def step(self, step: int, loss: float) -> None:
        """So many steps were taken; the last one had this loss."""
        ...

    def epoch(self, report: EpochReport) -> None:
        """An epoch ended."""
        ...


class NoObserver:
    """Takes no notice."""

    def begin(self, step: int, total: int) -> None:
        """Does nothing."""

    def step(self, step: int, loss: float) -> None:
        """Does nothing."""

    def epoch(self, report: EpochReport) -> None:
        """Does nothing."""
