"""DeepSORT's association: a list of stages, each with its tracks, detections, gate and cost.

Confirmed tracks are matched by appearance within the motion gate (sec. 2.2 and 2.3 of the paper),
then by motion where an appearance is unknown; the rest by overlap, then tracks without a missed
detection with detections of low score, and finally lost tracks within a larger radius. Pure
functions: `associate` returns matches of rows of the table with detections.
"""

from collections.abc import Callable, Iterator

import numpy as np

from tracker.tracking import gating
from tracker.tracking.association import Matches, Pairs, assign, join, matching_cascade
from tracker.tracking.joint_stage import joint_stage
from tracker.tracking.scene import Scene, Stage, of_same_class
from tracker.tracking.settings import AppearanceOrder, DeepSortSettings, MotionCost
from tracker.util.arrays import IndexArray

_NOTHING: IndexArray = np.zeros(0, np.intp)


def associate(scene: Scene, usual: IndexArray, low: IndexArray) -> Matches:
    """Returns matches of rows of the table with detections.

    Args:
        scene: Tracks and detections.
        usual: Detections of usual score, for every stage but that of low scores; ascending.
        low: Detections of low score, for the stage of tracks without a missed detection.
    """
    matches = Matches(_NOTHING, _NOTHING)
    if not len(scene.table) or not len(scene.detections):
        return matches
    free_tracks = np.ones(len(scene.table), np.bool_)
    free_detections = np.ones(len(scene.detections), np.bool_)
    for stage in stages(scene, usual, low):
        rows = stage.tracks[free_tracks[stage.tracks]]
        columns = stage.detections[free_detections[stage.detections]]
        if not len(rows) or not len(columns):
            continue
        pairs = stage.cost(scene, stage.gate(scene, rows, columns))
        found = _solve(scene, stage, pairs)
        free_tracks[found.rows] = free_detections[found.columns] = False
        matches = join(matches, found)
    return matches


def stages(scene: Scene, usual: IndexArray, low: IndexArray) -> Iterator[Stage]:
    """Yields the stages of matching, in their order; see `associate`."""
    table, settings = scene.table, scene.settings
    confirmed, just_matched = table.confirmed, table.misses == 1  # counted by the prediction
    if settings.is_joint:
        yield joint_stage(confirmed.nonzero()[0], usual)
        yield joint_stage((~confirmed).nonzero()[0], usual)
        return
    confirmed_rows = confirmed.nonzero()[0]
    if scene.has_appearance:
        yield appearance_stage(settings, confirmed_rows, usual)
    if scene.has_unknown:
        yield motion_stage(settings, confirmed_rows, usual)
    yield Stage(
        tracks=(~confirmed | just_matched).nonzero()[0],
        detections=usual,
        gate=overlap_gate(settings.min_iou),
        cost=unless_appearances_differ,
        unmatched_cost=1.0,
    )
    if len(low):
        yield Stage(
            tracks=(confirmed & just_matched).nonzero()[0],
            detections=low,
            gate=overlap_gate(settings.low_min_iou),
            cost=gate_cost,
            unmatched_cost=1.0,
        )
    if scene.has_unknown and settings.refind_reach:
        yield Stage(
            tracks=confirmed_rows,
            detections=scene.starters(usual),
            gate=reach_gate,
            cost=where_appearance_is_unknown,
            unmatched_cost=settings.refind_max_reach,
        )


def appearance_stage(settings: DeepSortSettings, rows: IndexArray, columns: IndexArray) -> Stage:
    """Returns the stage that matches by appearance within the motion gate (eq. 5 and 6)."""
    return Stage(
        tracks=rows,
        detections=columns,
        gate=motion_gate,
        cost=appearance_cost,
        unmatched_cost=_highest_appearance_cost(settings),
        is_cascade=settings.appearance_order is AppearanceOrder.CASCADE,
    )


def motion_stage(settings: DeepSortSettings, rows: IndexArray, columns: IndexArray) -> Stage:
    """Returns the stage that matches by motion alone, where an appearance is not known."""
    by_overlap = settings.motion_cost is MotionCost.OVERLAP
    return Stage(
        tracks=rows,
        detections=columns,
        gate=overlap_gate(settings.min_iou) if by_overlap else motion_gate,
        cost=where_appearance_is_unknown,
        unmatched_cost=1.0 if by_overlap else settings.motion_gate,
        is_cascade=True,
    )


def _solve(scene: Scene, stage: Stage, pairs: Pairs) -> Matches:
    if stage.is_cascade:
        return matching_cascade(pairs, scene.table.misses, unmatched_cost=stage.unmatched_cost)
    return assign(pairs, unmatched_cost=stage.unmatched_cost)


# --- gates: which pairs are admissible ---


def motion_gate(scene: Scene, rows: IndexArray, columns: IndexArray) -> Pairs:
    """Returns the pairs of the given rows and columns that the motion model admits."""
    table, settings = scene.table, scene.settings
    near = gating.by_motion(
        table.mean[rows],
        scene.variance[rows],
        scene.measurements[columns],
        gate=settings.motion_gate,
    )
    return of_same_class(scene, near, rows, columns)


def overlap_gate(min_iou: float) -> Callable[[Scene, IndexArray, IndexArray], Pairs]:
    """Returns the gate of pairs that overlap by `min_iou`, or whose `track_distance` allows it."""

    def gate(scene: Scene, rows: IndexArray, columns: IndexArray) -> Pairs:
        boxes, distance = scene.detections.boxes[columns], scene.settings.track_distance
        mean = scene.table.mean[rows]
        if callable(distance):
            near = gating.by_distance(mean, boxes, distance=distance, limit=1 - min_iou)
        else:
            near = gating.by_overlap(mean, boxes, min_iou=min_iou)
        return of_same_class(scene, near, rows, columns)

    return gate


def reach_gate(scene: Scene, rows: IndexArray, columns: IndexArray) -> Pairs:
    """Returns the pairs of lost tracks with near detections of similar size."""
    settings, table = scene.settings, scene.table
    grown = settings.refind_reach + settings.refind_growth * table.unseen[rows]
    near = gating.by_reach(
        table.mean[rows],
        scene.measurements[columns],
        reach=np.minimum(grown, settings.refind_max_reach),
        size_ratio=settings.refind_size_ratio,
    )
    return of_same_class(scene, near, rows, columns)


# --- costs: which of the gated pairs stay admissible, and at what cost ---


def gate_cost(scene: Scene, pairs: Pairs) -> Pairs:
    """Returns the pairs with the costs that the gate gave them."""
    return pairs


def appearance_cost(scene: Scene, pairs: Pairs) -> Pairs:
    """Returns the pairs of similar appearance, with the costs of eq. 5."""
    settings = scene.settings
    if scene.has_unknown:
        pairs = pairs.select(scene.comparable(pairs))
    farthest, weight = settings.max_appearance_distance, settings.motion_weight
    slots, embeddings = scene.table.slots[pairs.rows], scene.detections.embeddings
    distance = scene.gallery.distances(slots, pairs.columns, embeddings, enough=farthest)
    similar = (distance <= farthest).nonzero()[0]
    if len(similar) < len(pairs):
        pairs, distance = pairs.select(similar), distance[similar]
    if weight:
        distance = weight * pairs.costs + (1 - weight) * distance
    return Pairs(pairs.rows, pairs.columns, distance)


def unless_appearances_differ(scene: Scene, pairs: Pairs) -> Pairs:
    """Returns the pairs whose appearances do not differ too much, unknown ones included.

    Where people pass each other, the box of the one in front overlaps the track of the other.
    """
    limit = scene.settings.overlap_appearance_distance
    if limit is None or not scene.has_appearance or not len(pairs):
        return pairs
    slots, embeddings = scene.table.slots[pairs.rows], scene.detections.embeddings
    distance = scene.gallery.distances(slots, pairs.columns, embeddings, enough=limit)
    return pairs.select((distance <= limit) | ~scene.comparable(pairs))


def where_appearance_is_unknown(scene: Scene, pairs: Pairs) -> Pairs:
    """Returns the pairs of which at least one appearance is not known."""
    return pairs.select(~scene.comparable(pairs)) if scene.has_appearance else pairs


def _highest_appearance_cost(settings: DeepSortSettings) -> float:
    farthest, weight = settings.max_appearance_distance, settings.motion_weight
    return weight * settings.motion_gate + (1 - weight) * farthest if weight else farthest
