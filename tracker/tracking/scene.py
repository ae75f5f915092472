"""What the association of one frame starts from, and the form of its stages."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tracker.detections import Detections
from tracker.tracking.association import Pairs
from tracker.tracking.gallery import AppearanceGallery, is_known
from tracker.tracking.settings import ClassPolicy, DeepSortSettings
from tracker.tracking.track_table import TrackTable
from tracker.util.arrays import BoolArray, Float64Array, IndexArray


class Scene(NamedTuple):
    """The tracks and detections of one frame, before association.

    Attributes:
        table: The tracks, predicted to this frame.
        gallery: Their embeddings.
        settings: Of the tracker.
        detections: Those of this frame.
        measurements: `(N, 4)` the detections as cxcyah.
        variance: `(T, 4)` of the innovations of the tracks.
        score_cost: `(N,)` cost of a match with each detection for its score; 0 where the score is
            enough to start a track.
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
    variance: Float64Array
    score_cost: Float64Array
    known_tracks: BoolArray
    known_detections: BoolArray
    has_appearance: bool
    has_unknown: bool

    def starters(self, columns: IndexArray) -> IndexArray:
        """Returns those of the detections whose score is enough to start a track."""
        kept: IndexArray = columns[self.score_cost[columns] == 0]
        return kept

    def comparable(self, pairs: Pairs) -> BoolArray:
        """Returns `(P,)`: whether both appearances of a pair are known."""
        return self.known_tracks[pairs.rows] & self.known_detections[pairs.columns]


def make_scene(
    table: TrackTable,
    gallery: AppearanceGallery,
    settings: DeepSortSettings,
    detections: Detections,
    measurements: Float64Array,
    *,
    variance: Float64Array,
    score_cost: Float64Array,
) -> Scene:
    """Returns the input of the association; see `Scene`."""
    known_detections = is_known(detections.embeddings)
    found = np.count_nonzero(known_detections)
    known_tracks = gallery.has_any(table.slots)
    tracks = np.count_nonzero(known_tracks)
    return Scene(
        table=table,
        gallery=gallery,
        settings=settings,
        detections=detections,
        measurements=measurements,
        variance=variance,
        score_cost=score_cost,
        known_tracks=known_tracks,
        known_detections=known_detections,
        has_appearance=bool(tracks and found),
        has_unknown=bool(tracks + found < len(known_tracks) + len(known_detections)),
    )


class Stage(NamedTuple):
    """One stage of matching, among the tracks and detections that earlier stages left.

    Attributes:
        tracks: Rows of the table that take part, ascending.
        detections: Detections that take part, ascending.
        gate: Returns the admissible pairs of given rows and columns.
        cost: Returns the pairs of the gate that stay admissible, with their costs.
        unmatched_cost: Cost of leaving a track and a detection unmatched; no pair costs more.
        is_cascade: Whether tracks are matched in order of their misses (DeepSORT, listing 1), or
            all at once.
    """

    tracks: IndexArray
    detections: IndexArray
    gate: Callable[[Scene, IndexArray, IndexArray], Pairs]
    cost: Callable[[Scene, Pairs], Pairs]
    unmatched_cost: float
    is_cascade: bool = False


def of_same_class(scene: Scene, pairs: Pairs, rows: IndexArray, columns: IndexArray) -> Pairs:
    """Returns pairs of positions in `rows` and `columns` as rows of the table and detections."""
    table_rows, found = rows[pairs.rows], columns[pairs.columns]
    if scene.settings.classes is ClassPolicy.ANY or not len(pairs):
        return Pairs(table_rows, found, pairs.costs)
    same = scene.table.classes[table_rows] == scene.detections.classes[found]
    if np.count_nonzero(same) == len(same):
        return Pairs(table_rows, found, pairs.costs)
    return Pairs(table_rows[same], found[same], pairs.costs[same])
