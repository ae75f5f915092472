"""One step of learning appearance: the network with its losses, in plain Keras.

Works with every backend of Keras, through `train_on_batch`.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from tracker.models.reid_shape import CROP_HEIGHT, CROP_WIDTH
from tracker.training.reid.batches import ReidBatch
from tracker.training.reid.losses import contrastive_loss, regression_loss, relation_loss
from tracker.training.reid.settings import ReidTrainSettings

LOSSES = ("regression", "relation", "contrast")
"""Names of the losses, as in the settings and in the log."""


class ReidLearner(keras.Model):  # type: ignore[misc]
    """An appearance network together with what it learns from.

    Args:
        network: From `models.reid.build_reid`; it is changed in place.
        settings: Weights of the losses.
    """

    def __init__(self, network: Any, settings: ReidTrainSettings) -> None:
        super().__init__(name="learner")
        self.network = network
        self._settings = settings
        self._parts = {name: keras.metrics.Mean(name=name) for name in LOSSES}

    def call(self, images: Any, training: bool = False) -> Any:
        """Returns unit vectors `(B, D)` of uint8 pixels `(B, 128, 64, 3)`."""
        return self.network(ops.cast(images, "float32") / 255.0, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the weighted sum of the losses; `y` holds `groups` and `targets`."""
        del x, sample_weight, training
        settings, targets = self._settings, y["targets"]
        unclear = ops.zeros((ops.shape(y_pred)[0],) * 2, "bool")
        losses = {}
        if targets.shape[1]:
            unclear = ops.matmul(targets, ops.transpose(targets)) >= settings.unclear_similarity
            losses["regression"] = regression_loss(y_pred, targets)
            losses["relation"] = relation_loss(y_pred, targets)
        losses["contrast"] = contrastive_loss(
            y_pred, y["groups"], unclear, temperature=settings.temperature
        )
        for name, loss in losses.items():
            self._parts[name].update_state(loss)
        return sum(getattr(settings, name) * loss for name, loss in losses.items())


def compile_reid_learner(learner: ReidLearner, optimizer: Any) -> None:
    """Makes a learner ready: all its variables exist afterwards."""
    # Measured on 2 cores: TensorFlow trains slower with XLA than without; JAX needs it.
    learner.compile(optimizer=optimizer, jit_compile=keras.backend.backend() == "jax")
    learner(np.zeros((1, CROP_HEIGHT, CROP_WIDTH, 3), np.uint8))
    optimizer.build(learner.trainable_variables)


def train_on(learner: ReidLearner, batch: ReidBatch) -> dict[str, float]:
    """Returns `loss` and its parts of a batch, after learning from it."""
    learner.reset_metrics()
    truth = {"groups": batch.groups, "targets": batch.targets}
    logs = learner.train_on_batch(batch.images, truth, return_dict=True)
    return {name: float(value) for name, value in logs.items()}


def embed_crops(network: Any, crops: Any, *, batch: int = 128) -> Any:
    """Returns unit vectors `(N, D)` float32 of crops `(N, 128, 64, 3)` uint8, `N` at least 1."""
    parts, batch = [], min(batch, len(crops))
    for start in range(0, len(crops), batch):
        part = crops[start : start + batch]
        # Always one shape: another one would be compiled again.
        padded = np.zeros((batch, *part.shape[1:]), np.float32)
        padded[: len(part)] = part / np.float32(255)
        parts.append(np.asarray(network.predict_on_batch(padded))[: len(part)])
    return np.concatenate(parts)
