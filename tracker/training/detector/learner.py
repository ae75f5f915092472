"""The learners of detectors: assignment of anchors to objects, and the loss of boxes and scores."""

from collections.abc import Mapping
from typing import Any

from keras import ops

from tracker.models.integral_shape import INTEGRAL_STRIDES
from tracker.models.yolo_shape import STRIDES
from tracker.training.detector.batches import Batch
from tracker.training.detector.integral_loss import (
    as_predictions,
    integral_loss,
    integral_predictions,
    taught_loss,
)
from tracker.training.detector.losses import detection_loss
from tracker.training.detector.targets import Truth, assign, flatten_maps, make_anchors
from tracker.training.learner import Learner, train_step
from tracker.training.settings import TrainSettings

_PARTS = ("box_loss", "score_loss")


def detector_learner(network: Any, settings: TrainSettings, *, teacher: Any = None) -> Learner:
    """Returns a detector network together with its loss; the parts are `box_loss`, `score_loss`.

    Args:
        network: From `models.yolo.build_yolo` or `models.integral.build_integral`; it is changed in
            place.
        settings: Assignment of anchors to objects, and weights of the losses.
        teacher: A frozen network of `build_integral` with the same classes, for a network with
            integral boxes; `None` for labels alone.
    """
    if len(network.outputs) == len(INTEGRAL_STRIDES):
        return _integral_learner(network, settings, teacher)

    def loss(images: Any, truth: Mapping[str, Any], maps: Any) -> tuple[Any, dict[str, Any]]:
        anchors = make_anchors(tuple(images.shape[1:3]), STRIDES)
        predictions = flatten_maps(maps, anchors)
        targets = assign(predictions, _tensors(truth), anchors, settings.assign)
        parts = detection_loss(predictions, targets)
        total = settings.box_weight * parts.box + parts.score
        return total, dict(zip(_PARTS, parts, strict=True))

    return Learner(network, loss, parts=_PARTS)


def _integral_learner(network: Any, settings: TrainSettings, teacher: Any) -> Learner:
    def loss(images: Any, truth: Mapping[str, Any], maps: Any) -> tuple[Any, dict[str, Any]]:
        anchors = make_anchors(tuple(images.shape[1:3]), INTEGRAL_STRIDES, place=0.0)
        found, labels = integral_predictions(maps, anchors), _tensors(truth)
        if teacher is None:
            targets = assign(as_predictions(found), labels, anchors, settings.assign)
            parts = integral_loss(found, targets, anchors)
        else:
            pixels = ops.cast(images, "float32") / 255.0
            shown = [ops.stop_gradient(m) for m in teacher(pixels, training=False)]
            taught = integral_predictions(shown, anchors)
            targets = assign(as_predictions(taught), labels, anchors, settings.assign)
            parts = taught_loss(
                found,
                taught,
                targets,
                labels,
                anchors=anchors,
                unconfirmed=settings.unconfirmed,
                teacher_weight=settings.teacher_weight,
            )
        total = settings.box_weight * parts.box + parts.score
        return total, dict(zip(_PARTS, parts, strict=True))

    return Learner(network, loss, parts=_PARTS)


def _tensors(truth: Mapping[str, Any]) -> Truth:
    return Truth(**{name: ops.convert_to_tensor(values) for name, values in truth.items()})


def train_on(learner: Learner, batch: Batch) -> dict[str, float]:
    """Returns `loss`, `box_loss` and `score_loss` of a batch, after a step on it."""
    return train_step(learner, batch.images, truth_arrays(batch))


def truth_arrays(batch: Batch) -> Mapping[str, Any]:
    """Returns the truth of a batch by the names of `Truth`'s fields."""
    return {
        "boxes": batch.boxes,
        "classes": batch.classes,
        "ignore": batch.ignore,
        "valid": batch.valid,
        "scores": batch.scores,
    }
