"""How well embeddings tell objects apart.

Comes in: unit vectors and who each of them shows. Goes out: `AppearanceScores`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from tracker.errors import DataError
from tracker.util.arrays import BoolArray, Float32Array, Float64Array, IndexArray


@dataclass(frozen=True, slots=True)
class AppearanceScores:
    """How well embeddings tell objects apart.

    Attributes:
        rank1: Share of the vectors whose nearest other vector shows the same object, of those that
            have another one of the same.
        auc: Chance that two of the same are nearer than two of different ones (area under the ROC
            curve of all pairs).
        same: Mean cosine distance of two of the same.
        different: Mean cosine distance of two of different ones.
        threshold: Cosine distance that divides the two best: it has the largest sum of the share of
            same pairs below and that of different pairs above.
    """

    rank1: float
    auc: float
    same: float
    different: float
    threshold: float


def appearance_scores(vectors: Float32Array, identities: IndexArray) -> AppearanceScores:
    """Returns how well vectors tell identities apart; all pairs are compared.

    Args:
        vectors: `(N, D)` unit vectors.
        identities: `(N,)` whom each shows.

    Raises:
        DataError: No two show the same, or all do.
    """
    same = identities[:, None] == identities[None]
    similarity = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    upper = np.triu(np.ones(same.shape, bool), 1)
    is_same, distances = same[upper], 1.0 - similarity[upper]
    if not is_same.any() or is_same.all():
        raise DataError(
            f"identities: expected two that are the same and two that differ, got "
            f"{len(np.unique(identities))} identities of {len(identities)} vectors"
        )
    return AppearanceScores(
        rank1=_rank1(similarity, same),
        auc=_area(distances, is_same),
        same=float(distances[is_same].mean()),
        different=float(distances[~is_same].mean()),
        threshold=_best_threshold(distances, is_same),
    )


def _rank1(similarity: Float64Array, same: BoolArray) -> float:
    others = similarity.copy()
    np.fill_diagonal(others, -np.inf)
    asked = same.sum(axis=1) > 1
    nearest = np.argmax(others, axis=1)
    return float(same[np.arange(len(same)), nearest][asked].mean())


def _area(distances: Float64Array, is_same: BoolArray) -> float:
    """Returns the area by the rank sum of Mann and Whitney; equal distances count half."""
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
