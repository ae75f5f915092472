"""The learner of a detector: assignment of anchors to objects, and the loss of boxes and scores."""

from collections.abc import Mapping
from typing import Any

from keras import ops

from tracker.models.yolo_shape import STRIDES
from tracker.training.detector.batches import Batch
from tracker.training.detector.losses import detection_loss
from tracker.training.detector.targets import Truth, assign, flatten_maps, make_anchors
from tracker.training.learner import Learner, train_step
from tracker.training.settings import AssignSettings


def detector_learner(network: Any, settings: AssignSettings, *, box_weight: float) -> Learner:
    """Returns a detector network together with its loss; the parts are `box_loss`, `score_loss`.

    Args:
        network: From `models.yolo.build_yolo`; it is changed in place.
        settings: Assignment of anchors to objects.
        box_weight: Weight of the boxes' loss against the scores'.
    """

    def loss(images: Any, truth: Mapping[str, Any], maps: Any) -> tuple[Any, dict[str, Any]]:
        anchors = make_anchors(tuple(images.shape[1:3]), STRIDES)
        predictions = flatten_maps(maps, anchors)
        tensors = {name: ops.convert_to_tensor(values) for name, values in truth.items()}
        targets = assign(predictions, Truth(**tensors), anchors, settings)
        parts = detection_loss(predictions, targets)
        total = box_weight * parts.box + parts.score
        return total, {"box_loss": parts.box, "score_loss": parts.score}

    return Learner(network, loss, parts=("box_loss", "score_loss"))


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
    }
