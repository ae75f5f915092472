"""DeepSORT's stages of matching: confirmed tracks, then IoU, then what goes beyond.

Comes in: a `Scene`, that is predicted tracks and the detections of a frame. Goes out: `Matches` of
rows of the table with detections. Nothing is changed.
"""

from dataclasses import dataclass

import numpy as np

from tracker.arrays import BoolArray, Float64Array, IndexArray
from tracker.detections import Detections
from tracker.tracking import candidates
from tracker.tracking.association import Matches, Pairs, assign, join, matching_cascade, remaining
from tracker.tracking.gallery import AppearanceGallery, is_known
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
        known_tracks: `(T,)` whether the appearance of each track is known.
        known_detections: `(N,)` whether the appearance of each detection is known.
        has_appearance: Whether there is a track and a detection of known appearance.
        has_unknown: Whether the appearance of a track or a detection is not known.
    """

    table: TrackTable
    gallery: AppearanceGallery
    settings: DeepSortSettings
    detections: Detections
    measurements: Float64Array
    known_tracks: BoolArray
    known_detections: BoolArray
    has_appearance: bool
    has_unknown: bool

    def starters(self, columns: IndexArray) -> IndexArray:
        """Returns those of the detections whose score is enough to start a track."""
        least = self.settings.birth_score
        return columns[self.detections.scores[columns] >= least] if least else columns

    def comparable(self, pairs: Pairs) -> BoolArray:
        """Returns `(P,)`: whether both appearances of a pair are known."""
        return self.known_tracks[pairs.rows] & self.known_detections[pairs.columns]


def scene_of(
    table: TrackTable,
    gallery: AppearanceGallery,
    settings: DeepSortSettings,
    detections: Detections,
    measurements: Float64Array,
) -> Scene:
    """Returns what there is to be matched; see `Scene`."""
    known_tracks = gallery.has_any(table.slots)
    known_detections = is_known(detections.embeddings)
    tracks, found = np.count_nonzero(known_tracks), np.count_nonzero(known_detections)
    return Scene(
        table=table,
        gallery=gallery,
        settings=settings,
        detections=detections,
        measurements=measurements,
        known_tracks=known_tracks,
        known_detections=known_detections,
        has_appearance=bool(tracks and found),
        has_unknown=bool(tracks + found < len(known_tracks) + len(known_detections)),
    )


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
    if not (scene.has_unknown and settings.refind_reach):
        return matches
    rows = remaining(confirmed.nonzero()[0], matches.rows)
    free = scene.starters(remaining(usual, matches.columns))
    return join(matches, refind(scene, rows, free))


def match_confirmed(scene: Scene, rows: IndexArray, columns: IndexArray) -> Matches:
    """Returns matches of confirmed tracks in `rows` with detections in `columns`.

    Pairs whose appearances are known are matched first, the others by motion alone.
    """
    matches = Matches(_NOTHING, _NOTHING)
    if scene.has_appearance:
        matches = match_by_appearance(scene, rows, columns)
        rows, columns = remaining(rows, matches.rows), remaining(columns, matches.columns)
    if scene.has_unknown and len(rows) and len(columns):
        matches = join(matches, match_by_motion(scene, rows, columns))
    return matches


def match_by_appearance(scene: Scene, rows: IndexArray, columns: IndexArray) -> Matches:
    """Returns matches of tracks with detections within the motion gate that look alike."""
    settings = scene.settings
    pairs, limit = priced(scene, within_gate(scene, rows, columns))
    if settings.appearance_order is AppearanceOrder.AT_ONCE:
        return assign(pairs, unmatched_cost=limit)
    return matching_cascade(pairs, scene.table.misses, unmatched_cost=limit)


def match_by_motion(scene: Scene, rows: IndexArray, columns: IndexArray) -> Matches:
    """Returns matches by motion alone of pairs of which an appearance is not known."""
    settings = scene.settings
    if settings.motion_cost is MotionCost.OVERLAP:
        pairs, limit = overlapping(scene, rows, columns, settings.min_iou), 1.0
    else:
        pairs, limit = within_gate(scene, rows, columns), settings.motion_gate
    pairs = _not_comparable(scene, pairs)
    return matching_cascade(pairs, scene.table.misses, unmatched_cost=limit)


def within_gate(scene: Scene, rows: IndexArray, columns: IndexArray) -> Pairs:
    """Returns the pairs of the given rows and columns that the motion model admits."""
    table, settings = scene.table, scene.settings
    near = candidates.by_motion(
        table.mean[rows],
        table.covariance[rows],
        scene.measurements[columns],
        gate=settings.motion_gate,
        noise=settings.noise,
    )
    return _allowed(scene, near, rows, columns)


def priced(scene: Scene, pairs: Pairs) -> tuple[Pairs, float]:
    """Returns the pairs that look alike, priced by eq. 5, and the highest possible price."""
    settings = scene.settings
    if scene.has_unknown:
        pairs = pairs.select(scene.comparable(pairs))
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
    """Returns the pairs of the given rows and columns that overlap, or whose distance allows it."""
    boxes, distance = scene.detections.boxes[columns], scene.settings.track_distance
    if callable(distance):
        near = candidates.by_distance(
            scene.table.mean[rows], boxes, distance=distance, limit=1 - min_iou
        )
    else:
        near = candidates.by_overlap(scene.table.mean[rows], boxes, min_iou=min_iou)
    return _allowed(scene, near, rows, columns)


def not_unlike(scene: Scene, pairs: Pairs) -> Pairs:
    """Returns the pairs that do not look as if they were two objects, unknown ones included.

    Where people pass each other, the box of the one in front overlaps the track of the other.
    """
    limit = scene.settings.overlap_appearance_distance
    if limit is None or not scene.has_appearance or not len(pairs):
        return pairs
    slots, embeddings = scene.table.slots[pairs.rows], scene.detections.embeddings
    distance = scene.gallery.distances(slots, pairs.columns, embeddings, enough=limit)
    return pairs.select((distance <= limit) | ~scene.comparable(pairs))


def refind(scene: Scene, rows: IndexArray, columns: IndexArray) -> Matches:
    """Returns matches of lost tracks with near detections that would start a track else.

    Only pairs of which an appearance is not known.
    """
    settings, table = scene.settings, scene.table
    grown = settings.refind_reach + settings.refind_growth * table.unseen[rows]
    near = candidates.by_reach(
        table.mean[rows],
        scene.measurements[columns],
        reach=np.minimum(grown, settings.refind_max_reach),
        size_ratio=settings.refind_size_ratio,
    )
    pairs = _not_comparable(scene, _allowed(scene, near, rows, columns))
    return assign(pairs, unmatched_cost=settings.refind_max_reach)


def _not_comparable(scene: Scene, pairs: Pairs) -> Pairs:
    return pairs.select(~scene.comparable(pairs)) if scene.has_appearance else pairs


def _allowed(scene: Scene, pairs: Pairs, rows: IndexArray, columns: IndexArray) -> Pairs:
    """Returns pairs of places in `rows` and `columns` as rows of the table and detections."""
    table_rows, found = rows[pairs.rows], columns[pairs.columns]
    if scene.settings.classes is ClassPolicy.ANY or not len(pairs):
        return Pairs(table_rows, found, pairs.costs)
    voted, _ = scene.table.winners(table_rows)
    same = voted == scene.detections.classes[found]
    return Pairs(table_rows[same], found[same], pairs.costs[same])
