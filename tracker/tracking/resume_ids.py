"""Re-identification by appearance: new tracks that are lost tracks outside their gate."""

import numpy as np

from tracker.tracking.association import Matches, Pairs, assign
from tracker.tracking.gallery import AppearanceGallery
from tracker.tracking.settings import ClassPolicy, DeepSortSettings
from tracker.tracking.track_table import TrackTable
from tracker.util.arrays import IndexArray


def resumed(
    table: TrackTable,
    gallery: AppearanceGallery,
    fresh: IndexArray,
    settings: DeepSortSettings,
) -> Matches:
    """Returns matches of lost tracks (rows) with fresh tracks (columns), both rows of the table.

    Comparing only once a track is about to be confirmed costs nothing, because it has not been
    reported before, and gives several embeddings to compare in place of one.

    Args:
        table: All tracks.
        gallery: Their embeddings.
        fresh: `(F,)` rows of tracks about to be confirmed.
        settings: `resume_distance` and `resume_reach`.
    """
    # A track that was matched since the birth of the fresh one is another object. A tentative track
    # is deleted at its first missed detection, so its hits count the detector runs since its birth,
    # the unit of `misses`.
    lost = (table.confirmed & (table.misses >= table.hits[fresh].min())).nonzero()[0]
    fresh = fresh[gallery.has_any(table.slots[fresh])] if len(lost) else fresh[:0]
    rows, columns, costs = [], [], []
    for column in fresh.tolist():
        embeddings = gallery.stored(int(table.slots[column]))
        near = _plausible(table, lost, column, settings)
        if not len(embeddings) or not len(near):
            continue
        mean = embeddings.mean(axis=0, keepdims=True)
        mean /= max(float(np.linalg.norm(mean)), 1e-9)
        zeros = np.zeros(len(near), np.intp)
        distance = gallery.distances(table.slots[near], zeros, mean)
        alike = distance <= settings.resume_distance
        rows.append(near[alike])
        columns.append(np.full(np.count_nonzero(alike), column))
        costs.append(distance[alike])
    if not rows:
        return Matches(np.zeros(0, np.intp), np.zeros(0, np.intp))
    found = np.concatenate(rows)
    order = found.argsort(kind="stable")
    pairs = Pairs(found[order], np.concatenate(columns)[order], np.concatenate(costs)[order])
    return assign(pairs, unmatched_cost=settings.resume_distance)


def _plausible(
    table: TrackTable, lost: IndexArray, fresh: int, settings: DeepSortSettings
) -> IndexArray:
    """Returns the lost rows that are near enough to the position of a fresh track."""
    lost = lost[table.misses[lost] >= table.hits[fresh]]
    if settings.classes is ClassPolicy.SAME:
        lost = lost[table.classes[lost] == table.classes[fresh]]
    predicted, velocity = table.mean[lost, :2], table.mean[lost, 4:6]
    # An object that stopped while occluded is where it was last matched, not where it is predicted.
    last_seen = predicted - table.unseen[lost, None] * velocity
    here, height = table.mean[fresh, :2], table.mean[fresh, 3]
    distance = np.minimum(
        np.hypot(*(predicted - here).T), np.hypot(*(last_seen - here).T)
    ) / np.sqrt(height * table.mean[lost, 3])
    return np.asarray(lost[distance <= settings.resume_reach])
