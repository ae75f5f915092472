"""Learning-rate schedule and decay of averaged weights.

Pure functions: a training that is resumed goes on where it was.
"""

import math
from dataclasses import dataclass

from tracker.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Schedule:
    """Learning rate by step: a linear rise, then half a cosine.

    Attributes:
        peak: Highest learning rate, above 0.
        total_steps: Length of the training in steps, at least 1.
        warmup_steps: Length of the rise in steps, from 0 to less than `total_steps`.
        final_share: Learning rate at the end, as a share of `peak`, in `[0, 1]`.

    Raises:
        ConfigError: A value is out of range.
    """

    peak: float
    total_steps: int
    warmup_steps: int = 0
    final_share: float = 0.01

    def __post_init__(self) -> None:
        if self.peak <= 0:
            raise ConfigError(f"learning rate: expected above 0, got {self.peak}")
        if self.total_steps < 1:
            raise ConfigError(f"total_steps: expected at least 1, got {self.total_steps}")
        if not 0 <= self.warmup_steps < self.total_steps:
            raise ConfigError(
                f"warmup_steps: expected 0 to {self.total_steps - 1}, less than the whole "
                f"training, got {self.warmup_steps}"
            )
        if not 0 <= self.final_share <= 1:
            raise ConfigError(f"final_share: expected [0, 1], got {self.final_share}")

    def learning_rate(self, step: int) -> float:
        """Returns the learning rate of a step, counted from 0; past the end, that of the end.

        Example:
            >>> plan = Schedule(peak=1.0, total_steps=12, warmup_steps=2, final_share=0.0)
            >>> [round(plan.learning_rate(step), 3) for step in (0, 1, 2, 7, 12)]
            [0.5, 1.0, 1.0, 0.5, 0.0]
        """
        if step < self.warmup_steps:
            return self.peak * (step + 1) / self.warmup_steps
        done = min(1.0, (step - self.warmup_steps) / (self.total_steps - self.warmup_steps))
        share = 0.5 * (1.0 + math.cos(math.pi * done))
        return self.peak * (self.final_share + (1.0 - self.final_share) * share)


def average_decay(step: int, limit: float) -> float:
    """Returns how much of themselves averaged weights keep after a step, counted from 0.

    It rises from 0.1 to the limit, so that the first, bad weights are soon forgotten.

    Args:
        step: The step that was just taken.
        limit: What it rises to, in `[0, 1)`.
    """
    return min(limit, (1.0 + step) / (10.0 + step))
