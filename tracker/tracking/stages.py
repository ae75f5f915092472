"""DeepSORT's stages of matching: confirmed tracks, then IoU, then what goes beyond.

Comes in: a `Scene`, that is predicted tracks and the detections of a frame. Goes out: `Matches` of
rows of the table with detections. Nothing is changed.
"""

from dataclasses import dataclass

import numpy as np

from tracker.arrays import Float64Array, IndexArray
from tracker.detections import Detections
from tracker.tracking import candidates
from tracker.tracking.association import Matches, Pairs, assign, join, matching_cascade, remaining
from tracker.tracking.gallery import AppearanceGallery
from tracker.tracking.settings import (
    AppearanceOrder,
    ClassPolicy,
    DeepSortSettings,
    MotionCost,
)
from tracker.tracking.table import TrackTable

_NOTHING: IndexArray = np.zeros(0, np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What there is to be matched.

    Attributes:
        table: The tracks, predicted to this frame.
        gallery: What they looked like.
        settings: Of the tracker.
        detections: What was found in this frame.
        measurements: `(N, 4)` the detections as cxcyah.
    """

    table: TrackTable
    gallery: AppearanceGallery
    settings: DeepSortSettings
    detections: Detections
    measurements: Float64Array

    @property
    def has_appearance(self) -> bool:
        """Whether the detections have embeddings."""
        return bool(self.detections.embeddings.shape[1])

    def starters(self, columns: IndexArray) -> IndexArray:
        """Returns those of the detections whose score is enough to start a track."""
        least = self.settings.birth_score
        return columns[self.detections.scores[columns] >= least] if least else columns


def associate(scene: Scene, usual: IndexArray, low: IndexArray) -> Matches:
    """Returns matches of rows of the table with detections.

    Args:
        scene: Tracks and detections.
        usual: Detections that every stage may match, rising.
        low: Detections of low score, for tracks seen at the last look, after all others.
    """
    table, settings = scene.table, scene.settings
    if not len(table) or not len(scene.detections):
        return Matches(_NOTHING, _NOTHING)
    confirmed, just_seen = table.confirmed, table.misses == 1
    matches = match_confirmed(scene, confirmed.nonzero()[0], usual)
    left = remaining(usual, matches.columns)
    if len(left):
        rows = remaining((~confirmed | just_seen).nonzero()[0], matches.rows)
        pairs = not_unlike(scene, overlapping(scene, rows, left, settings.min_iou))
        matches = join(matches, assign(pairs, unmatched_cost=1.0))
    if len(low):
        rows = remaining((confirmed & just_seen).nonzero()[0], matches.rows)
        pairs = overlapping(scene, rows, low, settings.low_min_iou)
        matches = join(matches, assign(pairs, unmatched_cost=1.0))
    if scene.has_appearance or not settings.refind_reach:
        return matches
    rows = remaining(confirmed.nonzero()[0], matches.rows)
    free = scene.starters(remaining(usual, matches.columns))
    return join(matches, refind(scene, rows, free))


def match_confirmed(scene: Scene, rows: IndexArray, columns: IndexArray) -> Matches:
    """Returns matches of confirmed tracks in `rows` with detections in `columns`."""
    table, settings = scene.table, scene.settings
    if not scene.has_appearance and settings.motion_cost is MotionCost.OVERLAP:
        pairs = overlapping(scene, rows, columns, settings.min_iou)
        return matching_cascade(pairs, table.misses, unmatched_cost=1.0)
    near = candidates.by_motion(
        table.mean[rows],
        table.covariance[rows],
        scene.measurements[columns],
        gate=settings.motion_gate,
        noise=settings.noise,
    )
    pairs, limit = _allowed(scene, near, rows, columns), settings.motion_gate
    if scene.has_appearance:
        pairs, limit = priced(scene, pairs)
        if settings.appearance_order is AppearanceOrder.AT_ONCE:
            return assign(pairs, unmatched_cost=limit)
    return matching_cascade(pairs, table.misses, unmatched_cost=limit)


def priced(scene: Scene, pairs: Pairs) -> tuple[Pairs, float]:
    """Returns the pairs that look alike, priced by eq. 5, and the highest possible price."""
    settings = scene.settings
    farthest, weight = settings.max_appearance_distance, settings.motion_weight
    slots, embeddings = scene.table.slots[pairs.rows], scene.detections.embeddings
    distance = scene.gallery.distances(slots, pairs.columns, embeddings, enough=farthest)
    alike = (distance <= farthest).nonzero()[0]
    rows, columns, price = pairs.rows[alike], pairs.columns[alike], distance[alike]
    if not weight:
        return Pairs(rows, columns, price), farthest
    price = weight * pairs.costs[alike] + (1 - weight) * price
    limit = weight * settings.motion_gate + (1 - weight) * farthest
    return Pairs(rows, columns, price), limit


def overlapping(scene: Scene, rows: IndexArray, columns: IndexArray, min_iou: float) -> Pairs:
    """Returns the pairs of the given rows and columns that overlap."""
    boxes = scene.detections.boxes[columns]
    near = candidates.by_overlap(scene.table.mean[rows], boxes, min_iou=min_iou)
    return _allowed(scene, near, rows, columns)


def not_unlike(scene: Scene, pairs: Pairs) -> Pairs:
    """Returns the pairs that do not look as if they were two objects.

    Where people pass each other, the box of the one in front overlaps the track of the other.
    """
    limit = scene.settings.overlap_appearance_distance
    if limit is None or not scene.has_appearance or not len(pairs):
        return pairs
    slots, embeddings = scene.table.slots[pairs.rows], scene.detections.embeddings
    distance = scene.gallery.distances(slots, pairs.columns, embeddings, enough=limit)
    return pairs.select(distance <= limit)


def refind(scene: Scene, rows: IndexArray, columns: IndexArray) -> Matches:
    """Returns matches of lost tracks with near detections that would start a track else."""
    settings, table = scene.settings, scene.table
    grown = settings.refind_reach + settings.refind_growth * table.unseen[rows]
    near = candidates.by_reach(
        table.mean[rows],
        scene.measurements[columns],
        reach=np.minimum(grown, settings.refind_max_reach),
        size_ratio=settings.refind_size_ratio,
    )
    pairs = _allowed(scene, near, rows, columns)
    return assign(pairs, unmatched_cost=settings.refind_max_reach)


def _allowed(scene: Scene, pairs: Pairs, rows: IndexArray, columns: IndexArray) -> Pairs:
    """Returns pairs of places in `rows` and `columns` as rows of the table and detections."""
    table_rows, found = rows[pairs.rows], columns[pairs.columns]
    if scene.settings.classes is ClassPolicy.ANY or not len(pairs):
        return Pairs(table_rows, found, pairs.costs)
    voted = scene.table.votes.argmax(axis=1)[table_rows]
    same = voted == scene.detections.classes[found]
    return Pairs(table_rows[same], found[same], pairs.costs[same])
