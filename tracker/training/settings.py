"""How detectors are trained: numbers that a configuration may change.

Loads no Keras, so that a wrong configuration is reported at once.
"""

from dataclasses import dataclass, field
from enum import Enum

from tracker.errors import ConfigError
from tracker.training.schedule import Schedule
from tracker.util.check_types import check_finite, check_shares, check_types

_WARMUP_STEPS = 200


class MixedPrecision(Enum):
    """Whether layers compute in 16 bits while weights stay float32."""

    AUTO = "auto"
    """Where there is a GPU."""
    ON = "on"
    """Everywhere."""
    OFF = "off"
    """Nowhere."""

    @classmethod
    def _missing_(cls, value: object) -> "MixedPrecision | None":
        # YAML reads a bare `on` as true.
        return {True: cls.ON, False: cls.OFF}[value] if isinstance(value, bool) else None


@dataclass(frozen=True, slots=True)
class AssignSettings:
    """Assignment of anchors to objects.

    Attributes:
        top_k: At most this many anchors for an object.
        alpha: Exponent of the score, at least 0.
        beta: Exponent of the overlap, at least 0. TOOD uses 1 and 6 with `top_k` 13.

    Raises:
        ConfigError: A value is out of range.
    """

    top_k: int = 13
    alpha: float = 1.0
    beta: float = 6.0

    def __post_init__(self) -> None:
        check_types(self)
        if self.top_k < 1:
            raise ConfigError(f"top_k: expected at least 1, got {self.top_k}")
        for name in ("alpha", "beta"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}: expected at least 0, got {getattr(self, name)}")
        check_finite(self)


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """How a detector is trained.

    Attributes:
        epochs: Length of the training; the schedule ends with it.
        learning_rate: Peak learning rate.
        warmup_steps: Steps in which the learning rate rises; `None` for 200, or a tenth of the
            training where that is less.
        final_share: Learning rate at the end, as a share of the highest.
        weight_decay: Share by which weights shrink, times the learning rate.
        clip_norm: Longer gradients are shortened to this.
        freeze_epochs: The backbone keeps its weights in the first so many epochs, from which on
            the optimizer begins again; for a network that was trained before. Layers that are
            non-trainable at the start stay frozen.
        mixed_precision: Whether layers compute in 16 bits: bfloat16, or float16 with a scaled loss
            on GPUs that are slow at bfloat16. Validation and files are float32.
        average_decay: Decay of the averaged weights per step, in `[0, 1)`.
        box_weight: Weight of the boxes' loss against the scores'.
        assign: Assignment of anchors to objects.
        unconfirmed: With a teacher: share of its score that is the target where it finds what no
            label confirms, in `[0, 1]`.
        teacher_weight: With a teacher: weight of the loss of its boxes' distributions against that
            of the labels' boxes, at least 0.
        checkpoint_minutes: A checkpoint is written after this time, and at the end of an epoch
            that was validated.
        log_steps: A line is logged every so many steps: means over them.
        validate_epochs: Validation after every so many epochs, and after the last.
        patience: Stop after this many validations without a better AP50; `None` never does.

    Raises:
        ConfigError: A value is out of range.
    """

    epochs: int = 100
    learning_rate: float = 2e-3
    warmup_steps: int | None = None
    final_share: float = 0.01
    weight_decay: float = 0.05
    clip_norm: float = 10.0
    freeze_epochs: int = 0
    mixed_precision: MixedPrecision = MixedPrecision.AUTO
    average_decay: float = 0.998
    box_weight: float = 2.5
    assign: AssignSettings = field(default_factory=AssignSettings)
    unconfirmed: float = 0.5
    teacher_weight: float = 1.0
    checkpoint_minutes: float = 5.0
    log_steps: int = 20
    validate_epochs: int = 1
    patience: int | None = None

    def __post_init__(self) -> None:
        check_types(self)
        least = {"epochs": 1, "log_steps": 1, "validate_epochs": 1, "patience": 1}
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise ConfigError(f"{name}: expected at least {low}, got {value}")
        for name in ("learning_rate", "clip_norm", "box_weight"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name}: expected above 0, got {getattr(self, name)}")
        for name in ("weight_decay", "teacher_weight", "checkpoint_minutes", "freeze_epochs"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}: expected at least 0, got {getattr(self, name)}")
        if not 0 <= self.average_decay < 1:
            raise ConfigError(f"average_decay: expected [0, 1), got {self.average_decay}")
        if self.warmup_steps is not None and self.warmup_steps < 0:
            raise ConfigError(f"warmup_steps: expected at least 0, got {self.warmup_steps}")
        check_shares(self, "final_share", "unconfirmed")
        check_finite(self)

    def schedule(self, steps_per_epoch: int) -> Schedule:
        """Returns the learning rate of every step.

        Raises:
            ConfigError: The warm-up is longer than the training.
        """
        total = self.epochs * steps_per_epoch
        warmup = min(_WARMUP_STEPS, total // 10) if self.warmup_steps is None else self.warmup_steps
        return Schedule(
            self.learning_rate, total, warmup_steps=warmup, final_share=self.final_share
        )
