"""Training of an appearance network, from the first step to the last, over kills and restarts.

Writes into a folder: `best.keras` (averaged weights, highest score in validation), `last.keras`,
`log.csv`, TensorBoard's files where it is installed, and `checkpoint.npz`, from which the same call
goes on at the step where it stopped.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tracker.models.files.reid_file import save_reid
from tracker.models.reid_shape import CROP_HEIGHT, CROP_WIDTH
from tracker.training.learner import Learner, compile_learner
from tracker.training.loop import (
    BEST,
    LAST,
    LOG,
    Judgement,
    Lesson,
    LoopResult,
    Outlets,
    run_training,
)
from tracker.training.observers import Observer
from tracker.training.reid.batches import ReidBatches
from tracker.training.reid.learner import LOSSES, reid_learner, train_on
from tracker.training.reid.settings import ReidTrainSettings

__all__ = ["BEST", "LAST", "LOG", "train_reid"]

_COLUMNS = ("step", "epoch", "learning_rate", "loss", *LOSSES, "images_per_s", "score")


def train_reid(
    network: Any,
    batches: ReidBatches,
    settings: ReidTrainSettings,
    out_dir: Path,
    *,
    judge: Callable[[Any], float],
    save: Callable[[Any, Path], None] = save_reid,
    observer: Observer | None = None,
) -> LoopResult:
    """Returns the result; the network then has the final averaged weights.

    If the folder holds a checkpoint, the training goes on from it, with these settings: another
    number of epochs stretches or shrinks the schedule.

    Args:
        network: From `models.reid.build_reid`. Non-trainable layers stay frozen.
        batches: Training batches.
        settings: Training settings.
        out_dir: Output folder; created if missing.
        judge: Returns the score of a network, higher is better; called after every epoch.
        save: Writes `best.keras` and `last.keras`.
        observer: Receives progress reports.

    Raises:
        ModelError: The checkpoint is not one of this network.
        OutputError: A file cannot be written.
        DataError: The loss is not finite any more.
    """

    def learner(optimizer: Any) -> Learner:
        made = reid_learner(network, settings)
        compile_learner(made, optimizer, image_size=(CROP_HEIGHT, CROP_WIDTH))
        return made

    def judged(_: Any) -> Judgement:
        score = judge(network)
        return Judgement(score, {"score": score})

    lesson = Lesson(
        learner=learner,
        train_on=train_on,
        judge=judged,
        validate_epochs=1,
        columns=_COLUMNS,
        advice="a lower learning rate",
    )
    return run_training(network, batches, settings, lesson, Outlets(out_dir, save, observer))
