"""How an appearance network is trained."""

from dataclasses import dataclass

from tracker.errors import ConfigError
from tracker.training.schedule import Schedule
from tracker.training.settings import MixedPrecision
from tracker.util.check_types import check_finite, check_types

_WARMUP_STEPS = 200


@dataclass(frozen=True, slots=True)
class ReidTrainSettings:
    """How an appearance network is trained.

    Attributes:
        epochs: Length of the training; the schedule ends with it.
        learning_rate: Peak learning rate.
        weight_decay: Share by which weights shrink, times the learning rate.
        clip_norm: Longer gradients are shortened to this.
        freeze_epochs: The backbone keeps its weights in the first so many epochs, from which on
            the optimizer begins again; for a network that was trained before. Layers that are
            non-trainable at the start stay frozen.
        mixed_precision: Whether layers compute in 16 bits: bfloat16, or float16 with a scaled loss
            on GPUs that are slow at bfloat16. Validation and files are float32.
        average_decay: Decay of the averaged weights per step, in `[0, 1)`.
        regression: Weight of the distance from the teacher's vectors; data with targets only.
        relation: Weight of the difference from the teacher's similarities; likewise.
        contrast: Weight of the contrastive loss.
        temperature: Of the contrastive loss.
        unclear_similarity: Different groups whose teacher's vectors are at least this similar
            may be the same object: the contrastive loss leaves such pairs out.
        checkpoint_minutes: A checkpoint is written after this time, and at the end of each epoch.
        log_steps: A line is logged every so many steps: means over them.
        patience: Stop after this many epochs without a better score; `None` never does.

    Raises:
        ConfigError: A value is out of range, or all weights of losses are 0.
    """

    epochs: int = 40
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    clip_norm: float = 10.0
    freeze_epochs: int = 0
    mixed_precision: MixedPrecision = MixedPrecision.AUTO
    average_decay: float = 0.998
    regression: float = 1.0
    relation: float = 2.0
    contrast: float = 0.1
    temperature: float = 0.1
    unclear_similarity: float = 0.7
    checkpoint_minutes: float = 5.0
    log_steps: int = 20
    patience: int | None = None

    def __post_init__(self) -> None:
        check_types(self)
        for name, low in {"epochs": 1, "log_steps": 1, "patience": 1}.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise ConfigError(f"{name}: expected at least {low}, got {value}")
        for name in ("learning_rate", "clip_norm", "temperature"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}: expected above 0, got {getattr(self, name)}")
        weights = ("regression", "relation", "contrast")
        for name in ("freeze_epochs", "weight_decay", "checkpoint_minutes", *weights):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name}: expected at least 0, got {getattr(self, name)}")
        if not 0 <= self.average_decay < 1:
            raise ConfigError(f"average_decay: expected [0, 1), got {self.average_decay}")
        if not self.regression + self.relation + self.contrast > 0:
            raise ConfigError("regression, relation, contrast: expected one above 0, got none")
        check_finite(self)

    def schedule(self, steps_per_epoch: int) -> Schedule:
        """Returns the learning rate of every step."""
        total = self.epochs * steps_per_epoch
        warmup = min(_WARMUP_STEPS, total // 10)
        return Schedule(self.learning_rate, total, warmup_steps=warmup)
