"""Crops with teachers' targets: read, divided, and judged by how far a network agrees.

Folders without teachers are read and judged by identity.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tracker.errors import DataError
from tracker.evaluation.appearance import AppearanceScores, appearance_scores
from tracker.training.crops.crop_folder import is_crop_folder, read_crop_folder
from tracker.training.reid.data import CropSet, read_identities, split_identities
from tracker.training.reid.targets import fused_targets
from tracker.util.arrays import Float32Array

_FEWEST_HELD = 3
"""Crops of this many objects have three similarities, the fewest that can be correlated."""

FEWEST_OBJECTS = _FEWEST_HELD + 1
"""Objects that a training with teachers needs."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far vectors agree with a teacher's.

    Attributes:
        correlation: Of the similarities of all pairs of crops with those that the teacher gives
            them; 0 where either are all equal.
        cosine: Mean similarity of a vector with its target.
    """

    correlation: float
    cosine: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Quality of a network on validation crops.

    Attributes:
        score: The share by which the best epoch is chosen, see `measure_of`; higher is better.
        text: All that was measured, a fact a line.
    """

    score: float
    text: str


def measure_of(data: CropSet) -> str:
    """Returns what the score of a verdict is called: with a teacher `agreement`, else `rank-1`."""
    return "agreement" if data.targets.shape[1] else "rank-1"


def read_training_crops(folder: Path, *, dimension: int) -> CropSet:
    """Returns the crops of a folder: from `tracker train crops`, or a sub-folder for each identity.

    Args:
        folder: The folder.
        dimension: Values of a target, where there are teachers.

    Raises:
        SourceError: A file is missing or cannot be read.
        DataError: There are too few crops, or files do not fit each other.
    """
    if not is_crop_folder(folder):
        return read_identities(folder)[0]
    taught = read_crop_folder(folder)
    if not taught.vectors:
        return taught.crops
    targets = fused_targets(list(taught.vectors.values()), dimension=dimension)
    return replace(taught.crops, targets=targets)


def split_crops(data: CropSet, *, share: float, seed: int) -> tuple[CropSet, CropSet]:
    """Returns training and validation crops; no object is in both.

    With targets any object can be held out, without them only one that has several crops.

    Args:
        data: All crops.
        share: Of the objects, those that are held out, in `(0, 1)`.
        seed: Of the choice.

    Raises:
        DataError: There are too few objects.
    """
    if not data.targets.shape[1]:
        return split_identities(data, share=share, seed=seed)
    names = np.unique(data.groups)
    if len(names) < FEWEST_OBJECTS:
        raise DataError(f"crops: expected at least {FEWEST_OBJECTS} objects, got {len(names)}")
    count = min(max(_FEWEST_HELD, round(share * len(names))), len(names) - 1)
    held = np.random.default_rng(seed).permutation(names)[:count]
    is_held = np.isin(data.groups, held)
    return data.select(np.flatnonzero(~is_held)), data.select(np.flatnonzero(is_held))


def agreement(vectors: Float32Array, targets: Float32Array) -> Agreement:
    """Returns how far vectors agree with a teacher's.

    Args:
        vectors: `(N, D)` unit vectors, at least three.
        targets: `(N, D)` unit vectors of the same crops.
    """
    upper = np.triu(np.ones((len(vectors),) * 2, bool), 1)
    given, wanted = (
        (part.astype(np.float64) @ part.T.astype(np.float64))[upper] for part in (vectors, targets)
    )
    given, wanted = given - given.mean(), wanted - wanted.mean()
    scale = float(np.sqrt((given**2).sum() * (wanted**2).sum()))
    cosine = float((vectors * targets).sum(axis=1, dtype=np.float64).mean())
    return Agreement(float((given * wanted).sum()) / scale if scale > 0 else 0.0, cosine)


def verdict(vectors: Float32Array, held: CropSet) -> Verdict:
    """Returns the score of vectors: agreement with the teachers if any, else by identity.

    Args:
        vectors: `(N, D)` unit vectors of the crops.
        held: The crops.

    Raises:
        DataError: There is no teacher, and no two crops show the same, or all do.
    """
    if not held.targets.shape[1]:
        scores = appearance_scores(vectors, held.groups)
        return Verdict(scores.rank1, _identity_text(scores))
    found = agreement(vectors, held.targets)
    text = (
        f"agreement   {100 * found.correlation:.1f} %, correlation with the teachers' "
        f"similarities\ncosine      {found.cosine:.3f} with the teachers' targets"
    )
    if 1 < len(np.unique(held.groups)) < len(held):
        text += "\n" + _identity_text(appearance_scores(vectors, held.groups))
    return Verdict(found.correlation, text)


def _identity_text(scores: AppearanceScores) -> str:
    return "\n".join(
        (
            f"rank-1      {100 * scores.rank1:.1f} %",
            f"AUC         {100 * scores.auc:.1f} %",
            f"distance    {scores.same:.3f} same, {scores.different:.3f} different, "
            f"{scores.threshold:.3f} divides them best",
        )
    )
