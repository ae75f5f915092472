"""How segmenters are trained: numbers that a configuration may change.

Loads no Keras.
"""

import dataclasses

from tracker.training.settings import MixedPrecision, TrainSettings
from tracker.util.check_types import check_finite, check_types


@dataclasses.dataclass(frozen=True, slots=True)
class SegmentTrainSettings:
    """How a segmenter is trained.

    Attributes:
        epochs: Length of the training; the schedule ends with it.
        learning_rate: Peak learning rate.
        warmup_steps: Steps in which the learning rate rises; `None` takes 200, or a tenth of the
            training where that is less.
        final_share: Learning rate at the end, as a share of the highest, in `[0, 1]`.
        weight_decay: Share by which weights shrink, times the learning rate.
        clip_norm: Longer gradients are shortened to this.
        freeze_epochs: The backbone keeps its weights in the first so many epochs, from which on
            the optimizer begins again; for a backbone that was trained before.
        mixed_precision: Whether layers compute in 16 bits. Scores, loss, validation and files are
            float32.
        average_decay: Decay of the averaged weights per step, in `[0, 1)`.
        checkpoint_minutes: A checkpoint is written after this time, and at the end of an epoch
            that was validated.
        log_steps: A line is logged every so many steps: means over them.
        validate_epochs: Validation after every so many epochs, and after the last.
        patience: Stop after this many validations without a better mean IoU; `None` never does.

    Raises:
        ConfigError: A value is out of range.
    """

    epochs: int = 60
    learning_rate: float = 1e-3
    warmup_steps: int | None = None
    final_share: float = 0.01
    weight_decay: float = 0.05
    clip_norm: float = 10.0
    freeze_epochs: int = 0
    mixed_precision: MixedPrecision = MixedPrecision.AUTO
    average_decay: float = 0.998
    checkpoint_minutes: float = 5.0
    log_steps: int = 20
    validate_epochs: int = 1
    patience: int | None = None

    def __post_init__(self) -> None:
        check_types(self)
        self.loop()
        check_finite(self)

    def loop(self) -> TrainSettings:
        """Returns the settings for `training.loop`; what they say of boxes is never read.

        Raises:
            ConfigError: A value is out of range.
        """
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return TrainSettings(**values)
