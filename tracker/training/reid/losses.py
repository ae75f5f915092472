"""What an appearance network learns from, in `keras.ops`."""

from typing import Any

from keras import ops

_FAR = 1e9


def regression_loss(vectors: Any, targets: Any) -> Any:
    """Returns the mean cosine distance of vectors from their targets.

    Args:
        vectors: `(B, D)` unit vectors.
        targets: `(B, D)` unit vectors.
    """
    return ops.mean(1.0 - ops.sum(vectors * targets, axis=1))


def relation_loss(vectors: Any, targets: Any) -> Any:
    """Returns the mean squared difference of the two matrices of similarities, off the diagonal.

    Relational knowledge distillation (arXiv 1904.05068) with cosines: what counts are the
    distances between objects, not where the vectors point.

    Args:
        vectors: `(B, D)` unit vectors, at least two.
        targets: `(B, E)` unit vectors; `E` may differ from `D`.
    """
    difference = ops.matmul(vectors, ops.transpose(vectors))
    difference = difference - ops.matmul(targets, ops.transpose(targets))
    others = 1.0 - ops.eye(ops.shape(vectors)[0])
    return ops.sum(ops.square(difference) * others) / ops.sum(others)


def contrastive_loss(vectors: Any, groups: Any, unclear: Any, *, temperature: float) -> Any:
    """Returns the loss that separates vectors of one group from all others, a mean over vectors.

    Supervised contrastive loss (arXiv 2004.11362, eq. 2): minus the logarithm of the share that a
    vector of the same group has in the softmax of all others. Vectors that are alone count 0.

    Args:
        vectors: `(B, D)` unit vectors.
        groups: `(B,)` integers; equal ones mean the same object.
        unclear: `(B, B)` bool: pairs that may be the same object although their groups differ;
            they count neither as same nor as different.
        temperature: Scale of the similarities, above 0.
    """
    logits = ops.matmul(vectors, ops.transpose(vectors)) / temperature
    itself = ops.cast(ops.eye(ops.shape(vectors)[0]), "bool")
    same = ops.equal(groups[:, None], groups[None])
    is_positive = ops.logical_and(same, ops.logical_not(itself))
    left_out = ops.logical_or(itself, ops.logical_and(unclear, ops.logical_not(same)))
    logits = ops.where(left_out, -_FAR, logits)
    shares = logits - ops.logsumexp(logits, axis=1, keepdims=True)
    positives = ops.cast(is_positive, vectors.dtype)
    count = ops.sum(positives, axis=1)
    sums = ops.sum(ops.where(is_positive, shares, 0.0), axis=1)
    has_any = ops.cast(count > 0, vectors.dtype)
    losses = -sums / ops.maximum(count, 1.0)
    return ops.sum(losses * has_any) / ops.maximum(ops.sum(has_any), 1.0)
