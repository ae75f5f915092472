"""Global ids of whole tracks: agglomerative clustering of their embeddings, with constraints."""

import numpy as np

from tracker.errors import DataError
from tracker.linking.settings import LinkSettings
from tracker.linking.tracklets import Tracklets
from tracker.util.arrays import (
    BoolArray,
    Float32Array,
    Float64Array,
    IndexArray,
    Int32Array,
    Int64Array,
)

MOST_TRACKS = 10_000
"""Tracks of one class that are compared: their distances take 400 MB. Clustering 3000 takes 2 s;
the time grows with the square."""


def global_ids(tracklets: Tracklets, settings: LinkSettings) -> Int64Array:
    """Returns the global id `(N,)` of each tracklet, from 1 in the order of the tracklets.

    Average-link clustering of the mean embeddings: the two groups with the smallest mean distance
    are merged, until it exceeds `max_distance`. Groups are never merged where that would give one
    id to two tracks of one source that overlap in time, to two classes, or, unless
    `overlapping_views` is set, to two tracks that overlap on the common clock. Tracks with fewer
    than `min_embeddings` embeddings get ids of their own.

    Raises:
        DataError: There are more than `MOST_TRACKS` tracks of one class to compare.
    """
    groups = np.arange(len(tracklets))
    comparable = tracklets.counts >= settings.min_embeddings
    for class_index in np.unique(tracklets.classes).tolist():
        rows = np.flatnonzero(comparable & (tracklets.classes == class_index))
        if len(rows) > MOST_TRACKS:
            raise DataError(
                f"linking: expected at most {MOST_TRACKS} tracks of one class, got {len(rows)}; "
                "link fewer recordings, or raise --min-embeddings"
            )
        distances = _distances(tracklets.embeddings[rows])
        distances[excluded_pairs(tracklets, rows, settings)] = np.inf
        groups[rows] = rows[average_link_groups(distances, settings.max_distance)]
    # A group is numbered by its first tracklet, so the order of groups is that of the tracklets.
    ids = np.unique(groups, return_inverse=True)[1].astype(np.int64) + 1
    return np.asarray(ids)


def excluded_pairs(tracklets: Tracklets, rows: IndexArray, settings: LinkSettings) -> BoolArray:
    """Returns `(M, M)`: pairs of the given tracklets that cannot be one person, by their times."""
    sources, frames = tracklets.sources[rows], tracklets.frames[rows]
    is_same_source = sources[:, None] == sources
    excluded = is_same_source & overlapping(frames)
    if not settings.overlapping_views:
        excluded |= ~is_same_source & overlapping(tracklets.times[rows])
    return np.asarray(excluded)


def overlapping(spans: Int32Array | Float64Array) -> BoolArray:
    """Returns `(N, N)`: whether spans `(N, 2)`, both ends included, have a point in common.

    Spans of NaN overlap with none.

    Example:
        >>> overlapping(np.array([[0, 2], [2, 3], [4, 9]])).astype(int).tolist()
        [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    """
    begin, end = spans.T
    return np.asarray((begin[:, None] <= end) & (begin <= end[:, None]))


def average_link_groups(distances: Float32Array, max_distance: float) -> IndexArray:
    """Returns for each row the lowest row of its group.

    Args:
        distances: `(N, N)` float32, symmetric; infinite for pairs that must not be in one group.
            It is used as working memory.
        max_distance: Largest mean distance of two groups that are merged.
    """
    count = len(distances)
    groups, sizes = np.arange(count), np.ones(count, np.float32)
    if count < 2:
        return groups
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argmin(axis=1)
    smallest = distances[groups, nearest]
    while smallest[row := int(smallest.argmin())] <= max_distance:
        keep, gone = sorted((row, int(nearest[row])))
        # Lance-Williams update. An infinite distance stays infinite: the exclusions of a group are
        # those of all its members.
        merged = sizes[keep] * distances[keep] + sizes[gone] * distances[gone]
        merged /= sizes[keep] + sizes[gone]
        merged[[keep, gone]] = np.inf
        distances[keep], distances[:, keep] = merged, merged
        distances[gone], distances[:, gone] = np.inf, np.inf
        sizes[keep] += sizes[gone]
        groups[groups == gone] = keep
        # A mean is never below the smaller of its parts: the other rows keep their nearest one.
        changed = np.flatnonzero((nearest == keep) | (nearest == gone))
        changed = np.union1d(changed, [keep, gone])
        nearest[changed] = distances[changed].argmin(axis=1)
        smallest[changed] = distances[changed, nearest[changed]]
    return groups


def _distances(embeddings: Float32Array) -> Float32Array:
    """Returns the cosine distances `(N, N)` of unit vectors `(N, D)`."""
    return np.asarray(1 - embeddings @ embeddings.T, np.float32)
