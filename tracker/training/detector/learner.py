"""One step of learning: a detector network with its loss, in plain Keras.

Works with every backend of Keras, through `train_on_batch`.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from tracker.models.yolo_shape import STRIDES
from tracker.training.detector.batches import Batch
from tracker.training.detector.losses import detection_loss
from tracker.training.detector.targets import Truth, assign, flatten_maps, make_anchors
from tracker.training.settings import AssignSettings
from tracker.util.arrays import Float32Array

_NOT_DECAYED = ["bias", "beta", "gamma"]


class DetectorLearner(keras.Model):  # type: ignore[misc]
    """A detector network together with what it learns from.

    Args:
        network: From `models.yolo.build_yolo`; it is changed in place.
        assign: Assignment of anchors to objects.
        box_weight: Weight of the boxes' loss against the scores'.
    """

    def __init__(self, network: Any, assign: AssignSettings, *, box_weight: float) -> None:
        super().__init__(name="learner")
        self.network = network
        self._assign_settings = assign
        self._box_weight = box_weight
        self._parts = {name: keras.metrics.Mean(name=name) for name in ("box_loss", "score_loss")}

    def call(self, images: Any, training: bool = False) -> Any:
        """Returns raw maps of uint8 pixels `(B, S, S, 3)`."""
        return self.network(ops.cast(images, "float32") / 255.0, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the loss of raw maps; `y` is what `truth_arrays` gives."""
        del sample_weight, training
        anchors = make_anchors(tuple(x.shape[1:3]), STRIDES)
        predictions = flatten_maps(y_pred, anchors)
        truth = Truth(**{name: ops.convert_to_tensor(values) for name, values in y.items()})
        targets = assign(predictions, truth, anchors, self._assign_settings)
        loss = detection_loss(predictions, targets)
        self._parts["box_loss"].update_state(loss.box)
        self._parts["score_loss"].update_state(loss.score)
        return self._box_weight * loss.box + loss.score


def make_optimizer(*, weight_decay: float, clip_norm: float) -> Any:
    """Returns AdamW (arXiv 1711.05101); biases and batch norms do not decay.

    Its learning rate is to be set at every step.

    Args:
        weight_decay: Share by which weights shrink, times the learning rate.
        clip_norm: Gradients with a larger norm, over all weights together, are shortened to it.
    """
    optimizer = keras.optimizers.AdamW(
        learning_rate=1e-9, weight_decay=weight_decay, global_clipnorm=clip_norm
    )
    optimizer.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    return optimizer


def compile_learner(learner: DetectorLearner, optimizer: Any, *, size: int) -> None:
    """Makes a learner ready for square pictures: all its variables exist afterwards."""
    # Measured on 2 cores: TensorFlow trains slower with XLA than without; JAX needs it.
    jit = keras.backend.backend() == "jax"
    learner.compile(optimizer=optimizer, jit_compile=jit)
    learner(np.zeros((1, size, size, 3), np.uint8))
    optimizer.build(learner.trainable_variables)


def train_on(learner: DetectorLearner, batch: Batch) -> dict[str, float]:
    """Returns `loss`, `box_loss` and `score_loss` of a batch, after learning from it."""
    learner.reset_metrics()
    logs = learner.train_on_batch(batch.images, truth_arrays(batch), return_dict=True)
    return {name: float(value) for name, value in logs.items()}


def truth_arrays(batch: Batch) -> Mapping[str, Any]:
    """Returns the truth of a batch by the names of `Truth`'s fields."""
    return {
        "boxes": batch.boxes,
        "classes": batch.classes,
        "ignore": batch.ignore,
        "valid": batch.valid,
    }


class AverageWeights:
    """Weights, averaged over the last steps: better than the last ones alone.

    Args:
        network: Whose weights (batch norms' statistics with them) are followed.
    """

    def __init__(self, network: Any) -> None:
        self.values: list[Float32Array] = [np.array(w) for w in network.get_weights()]

    def update(self, network: Any, decay: float) -> None:
        """Moves the average by `1 - decay` of the way to the weights of now."""
        for average, weight in zip(self.values, network.get_weights(), strict=True):
            if np.issubdtype(average.dtype, np.floating):
                np.add(average, np.float32(1.0 - decay) * (weight - average), out=average)
            else:  # Counters, which some backbones have.
                average[...] = weight
