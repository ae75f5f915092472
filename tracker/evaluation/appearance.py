"""Evaluation of appearance embeddings by their identities."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from tracker.errors import DataError
from tracker.util.arrays import BoolArray, Float32Array, Float64Array, IndexArray


@dataclass(frozen=True, slots=True)
class AppearanceScores:
    """How well embeddings discriminate identities.

    Attributes:
        rank1: Share of vectors whose nearest neighbour has the same identity, of those whose
            identity occurs more than once.
        auc: Area under the ROC curve of all pairs: probability that a pair of the same identity is
            closer than a pair of different ones.
        same: Mean cosine distance of pairs of the same identity.
        different: Mean cosine distance of pairs of different identities.
        threshold: Cosine distance that separates them best: it maximises the share of same pairs
            below plus the share of different pairs above (Youden's index).
    """

    rank1: float
    auc: float
    same: float
    different: float
    threshold: float


def appearance_scores(vectors: Float32Array, identities: IndexArray) -> AppearanceScores:
    """Returns how well vectors discriminate identities, over all pairs.

    Args:
        vectors: `(N, D)` unit vectors.
        identities: `(N,)` identity of each.

    Raises:
        DataError: No two identities are equal, or all are.
    """
    same = identities[:, None] == identities[None]
    similarity = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    upper = np.triu(np.ones(same.shape, bool), 1)
    is_same, distances = same[upper], 1.0 - similarity[upper]
    if not is_same.any() or is_same.all():
        raise DataError(
            f"identities: expected two equal and two different ones, got "
            f"{len(np.unique(identities))} identities of {len(identities)} vectors"
        )
    return AppearanceScores(
        rank1=_rank1(similarity, same),
        auc=_roc_area(distances, is_same),
        same=float(distances[is_same].mean()),
        different=float(distances[~is_same].mean()),
        threshold=_best_threshold(distances, is_same),
    )


def _rank1(similarity: Float64Array, same: BoolArray) -> float:
    others = similarity.copy()
    np.fill_diagonal(others, -np.inf)
    has_match = same.sum(axis=1) > 1
    nearest = np.argmax(others, axis=1)
    return float(same[np.arange(len(same)), nearest][has_match].mean())


def _roc_area(distances: Float64Array, is_same: BoolArray) -> float:
    """Returns the area under the ROC curve by the Mann-Whitney rank sum; ties count half."""
    ranks = rankdata(-distances)
    count = int(is_same.sum())
    wins = ranks[is_same].sum() - count * (count + 1) / 2
    return float(wins / (count * (len(is_same) - count)))


def _best_threshold(distances: Float64Array, is_same: BoolArray) -> float:
    order = np.argsort(distances, kind="stable")
    hits = np.cumsum(is_same[order]) / is_same.sum()
    misses = np.cumsum(~is_same[order]) / (~is_same).sum()
    best = int(np.argmax(hits - misses))
    ends = distances[order[best : best + 2]]
    return float(ends.mean())
