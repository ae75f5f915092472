"""Training of a detector, from the first step to the last, over kills and restarts.

Writes into a folder: `best.keras` (averaged weights, highest AP50 in validation), `last.keras`,
`log.csv`, TensorBoard's files where it is installed, and `checkpoint.npz`, from which the same call
goes on at the step where it stopped.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tracker.models.heads import Head
from tracker.models.integral_shape import BINS, INTEGRAL_STRIDES, integral_heads
from tracker.models.yolo_shape import STRIDES, yolo_heads
from tracker.training.detector.batches import Batch
from tracker.training.detector.learner import detector_learner, train_on
from tracker.training.detector.validation import VALIDATION_NMS, validate
from tracker.training.learner import Learner, compile_learner
from tracker.training.loop import (
    BEST,
    LAST,
    LOG,
    Judgement,
    Lesson,
    LoopBatches,
    LoopResult,
    Outlets,
    run_training,
)
from tracker.training.observers import Observer
from tracker.training.settings import TrainSettings
from tracker.training.training_log import DETECTOR_COLUMNS
from tracker.util.atomic_file import DRAFT, replaced_file

__all__ = [
    "BEST",
    "LAST",
    "LOG",
    "save_network",
    "train_detector",
]


def save_network(network: Any, path: Path) -> None:
    """Writes a network as Keras does; the file is complete or the old one.

    Raises:
        OutputError: It cannot be written.
    """
    # Keras demands the ending of the draft's name, too.
    with replaced_file(path, ending=f"{DRAFT}{path.suffix}") as draft:
        network.save(draft)


def train_detector(  # noqa: PLR0913 - the whole training in one call
    network: Any,
    batches: LoopBatches,
    settings: TrainSettings,
    out_dir: Path,
    *,
    validation: Iterable[Batch] | None = None,
    save: Callable[[Any, Path], None] = save_network,
    observer: Observer | None = None,
    teacher: Any = None,
) -> LoopResult:
    """Returns the result, whose best score is AP50; the network has the final averaged weights.

    If the folder holds a checkpoint, the training goes on from it, with these settings: another
    number of epochs stretches or shrinks the schedule.

    Args:
        network: From `models.yolo.build_yolo` or `models.integral.build_integral`, for any size or
            that of the batches. Non-trainable layers stay frozen.
        batches: Training batches; all images have one size.
        settings: Training settings.
        out_dir: Output folder; created if missing.
        validation: Batches without augmentation, walked through again in every validation, in a
            size that fits the network; `None` leaves validation out, then there is no best.
        save: Writes `best.keras` and `last.keras`.
        observer: Receives progress reports; the score is AP50.
        teacher: A frozen network of `build_integral` for one of the same kind; `None` for labels
            alone.

    Raises:
        ConfigError: The warm-up is longer than the training.
        ModelError: The checkpoint is not one of this network.
        OutputError: A file cannot be written.
        DataError: Validation has nothing to find, or the loss is not finite any more.
    """

    def learner(optimizer: Any) -> Learner:
        made = detector_learner(network, settings, teacher=teacher)
        compile_learner(made, optimizer, image_size=(STRIDES[-1], STRIDES[-1]))
        return made

    lesson = Lesson(
        learner=learner,
        train_on=train_on,
        judge=None if validation is None else lambda learner: _judge(learner, validation),
        validate_epochs=settings.validate_epochs,
        columns=DETECTOR_COLUMNS,
        advice="a lower learning rate or a longer warm-up",
    )
    return run_training(network, batches, settings, lesson, Outlets(out_dir, save, observer))


def _heads(network: Any) -> Sequence[Head]:
    """Returns the heads of a network's maps."""
    channels = network.outputs[0].shape[-1]
    if len(network.outputs) == len(INTEGRAL_STRIDES):
        return integral_heads(channels - 4 * BINS)
    return yolo_heads(channels - 4)


def _judge(learner: Learner, validation: Iterable[Batch]) -> Judgement:
    precision = validate(
        learner.predict_on_batch,
        validation,
        heads=_heads(learner.network),
        settings=VALIDATION_NMS,
    )
    return Judgement(
        precision.map50,
        {"ap50": precision.map50, "ap": precision.map},
        {number: scores.ap50 for number, scores in precision.classes.items()},
    )
