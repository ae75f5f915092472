"""The learner of an appearance network, and embeddings of crops."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from tracker.training.learner import Learner, train_step
from tracker.training.reid.batches import ReidBatch
from tracker.training.reid.losses import contrastive_loss, regression_loss, relation_loss
from tracker.training.reid.settings import ReidTrainSettings

LOSSES = ("regression", "relation", "contrast")
"""Names of the losses, as in the settings and in the log."""


def reid_learner(network: Any, settings: ReidTrainSettings) -> Learner:
    """Returns an appearance network together with its losses; the parts are `LOSSES`.

    Args:
        network: From `models.reid.build_reid`; it is changed in place.
        settings: Weights of the losses.
    """

    def loss(images: Any, truth: Mapping[str, Any], vectors: Any) -> tuple[Any, dict[str, Any]]:
        del images
        targets = truth["targets"]
        unclear = ops.zeros((ops.shape(vectors)[0],) * 2, "bool")
        losses = {}
        if targets.shape[1]:
            unclear = ops.matmul(targets, ops.transpose(targets)) >= settings.unclear_similarity
            losses["regression"] = regression_loss(vectors, targets)
            losses["relation"] = relation_loss(vectors, targets)
        losses["contrast"] = contrastive_loss(
            vectors, truth["groups"], unclear, temperature=settings.temperature
        )
        return sum(getattr(settings, name) * part for name, part in losses.items()), losses

    return Learner(network, loss, parts=LOSSES)


def train_on(learner: Learner, batch: ReidBatch) -> dict[str, float]:
    """Returns `loss` and its parts of a batch, after a step on it."""
    return train_step(learner, batch.images, {"groups": batch.groups, "targets": batch.targets})


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
