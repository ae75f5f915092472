"""Training of a segmenter, from the first step to the last, over kills and restarts.

Writes into a folder: `best.keras` (averaged weights, highest mean IoU in validation), `last.keras`,
`log.csv`, TensorBoard's files where it is installed, and `checkpoint.npz`, from which the same call
goes on at the step where it stopped.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from keras import ops

from tracker.models.yolo_shape import STRIDES
from tracker.training.learner import Learner, compile_learner, train_step
from tracker.training.loop import Judgement, Lesson, LoopResult, Outlets, run_training
from tracker.training.segmenter.batches import SegmentBatch, SegmentBatches
from tracker.training.segmenter.data import IGNORE
from tracker.training.segmenter.metrics import SegmentScores, confusion, segment_scores
from tracker.training.segmenter.settings import SegmentTrainSettings
from tracker.util.arrays import Float32Array, UInt8Array


def pixel_loss(masks: Any, scores: Any) -> Any:
    """Returns the mean cross entropy over all pixels of a batch that are not ignored.

    Args:
        masks: `(B, H, W)` class index, or `IGNORE`.
        scores: `(B, H, W, C)` float32, before softmax.
    """
    classes = ops.cast(masks, "int32")
    counted = classes != IGNORE
    losses = ops.sparse_categorical_crossentropy(
        ops.where(counted, classes, 0), scores, from_logits=True
    )
    weights = ops.cast(counted, losses.dtype)
    return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), 1.0)


def train_segmenter(
    network: Any,
    batches: SegmentBatches,
    settings: SegmentTrainSettings,
    outlets: Outlets,
    *,
    validation: Iterable[SegmentBatch],
    class_names: Sequence[str],
) -> LoopResult:
    """Returns the result; the network then has the final averaged weights.

    If the folder holds a checkpoint, the training goes on from it, with these settings: another
    number of epochs stretches or shrinks the schedule.

    Args:
        network: From `models.fcn8s.build_fcn8s`. Non-trainable layers stay frozen.
        batches: Training batches; all images have one size.
        settings: Training settings.
        outlets: Output; its observer's score is the mean IoU.
        validation: Batches without augmentation, walked through again in every validation.
        class_names: Names by class index, for the log.

    Raises:
        ConfigError: The warm-up is longer than the training.
        ModelError: The checkpoint is not one of this network.
        OutputError: A file cannot be written.
        DataError: Validation has no pixels, or the loss is not finite any more.
    """

    def learner(optimizer: Any) -> Learner:
        made = Learner(network, lambda _, masks, scores: (pixel_loss(masks, scores), {}))
        compile_learner(made, optimizer, image_size=(STRIDES[-1], STRIDES[-1]))
        return made

    by_class = [f"iou_{name}" for name in class_names]

    def judge(learner: Learner) -> Judgement:
        scores = judge_segmenter(learner.predict_on_batch, validation, len(class_names))
        values = {"mean_iou": scores.mean_iou, "accuracy": scores.accuracy}
        values |= {
            n: float(v) for n, v in zip(by_class, scores.iou, strict=True) if not np.isnan(v)
        }
        return Judgement(scores.mean_iou, values)

    lesson = Lesson(
        learner=learner,
        train_on=train_on,
        judge=judge,
        validate_epochs=settings.validate_epochs,
        columns=(
            *("step", "epoch", "learning_rate", "loss", "images_per_s", "mean_iou", "accuracy"),
            *by_class,
        ),
        advice="a lower learning rate or a longer warm-up",
    )
    return run_training(network, batches, settings.loop(), lesson, outlets)


def train_on(learner: Learner, batch: SegmentBatch) -> dict[str, float]:
    """Returns the `loss` of a batch, after a step on it."""
    return train_step(learner, batch.images, batch.masks)


def judge_segmenter(
    predict: Callable[[UInt8Array], Float32Array],
    batches: Iterable[SegmentBatch],
    class_count: int,
) -> SegmentScores:
    """Returns the validation scores of a network.

    Args:
        predict: Gives scores `(B, S, S, C)` of pixels `(B, S, S, 3)` uint8.
        batches: Letterboxed images with truth.
        class_count: `C`.

    Raises:
        DataError: There are no validation pixels.
    """
    counts = np.zeros((class_count, class_count), np.int64)
    for batch in batches:
        predicted = np.asarray(predict(batch.images)).argmax(axis=-1).astype(np.uint8)
        counts += confusion(batch.masks, predicted, class_count)
    return segment_scores(counts)
