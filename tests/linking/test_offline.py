"""Global ids of whole tracks: clustering against SciPy and brute force, and the exclusions."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from tracker.errors import ConfigError, DataError
from tracker.linking.offline import MOST_TRACKS, average_link_groups, global_ids
from tracker.linking.settings import LinkSettings
from tracker.linking.tracklets import Tracklets
from tracker.util.arrays import Float64Array

RED, BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
NO_TIME = (np.nan, np.nan)


def tracklets(*rows: tuple[int, int, tuple[int, int], Sequence[float]], **changes) -> Tracklets:
    """Each row is (source, id, first and last frame, unit embedding)."""
    count = len(rows)
    columns = {
        "sources": np.array([row[0] for row in rows], np.int32),
        "ids": np.array([row[1] for row in rows], np.int64),
        "classes": np.zeros(count, np.int32),
        "frames": np.array([row[2] for row in rows], np.int32).reshape(count, 2),
        "times": np.full((count, 2), np.nan),
        "embeddings": np.array([row[3] for row in rows] or np.zeros((0, 3)), np.float32),
        "counts": np.full(count, 10, np.int32),
    }
    return Tracklets(**(columns | changes))


def ids_of(found: Tracklets, **changes) -> list[int]:
    return global_ids(found, LinkSettings(**changes)).tolist()


def test_no_track_and_one() -> None:
    assert ids_of(tracklets()) == []
    assert ids_of(tracklets((0, 7, (0, 9), RED))) == [1]


def test_who_looks_alike_in_two_sources_gets_one_id() -> None:
    found = tracklets(
        *((0, 1, (0, 9), BLUE), (0, 2, (0, 9), RED)),
        *((1, 1, (0, 9), RED), (1, 2, (0, 9), (0, 0, 1)), (1, 3, (4, 9), BLUE)),
    )
    assert ids_of(found) == [1, 2, 2, 3, 1]


def test_rows_are_sorted_and_ids_count_from_the_first_track() -> None:
    found = tracklets((1, 5, (0, 9), RED), (0, 9, (3, 9), RED), (0, 8, (4, 9), BLUE))
    assert found.ids.tolist() == [9, 8, 5]
    assert ids_of(found) == [1, 2, 1]


def test_nobody_is_in_two_places_of_one_source() -> None:
    assert ids_of(tracklets((0, 1, (0, 9), RED), (0, 2, (9, 20), RED))) == [1, 2]
    assert ids_of(tracklets((0, 1, (0, 9), RED), (0, 2, (10, 20), RED))) == [1, 1]


def test_an_exclusion_holds_for_the_whole_group() -> None:
    # 1 and 2 overlap. The track of the other source is nearest to 1, so 2 cannot join them.
    found = tracklets(
        (0, 1, (0, 9), (1, 0)), (0, 2, (5, 20), (0.8, 0.6)), (1, 1, (0, 9), (0.96, 0.28))
    )
    assert ids_of(found) == [1, 2, 1]


@pytest.mark.parametrize(("overlapping", "expected"), [(False, [1, 2]), (True, [1, 1])])
def test_on_a_common_clock_nobody_is_in_two_sources_at_once(
    overlapping: bool, expected: list[int]
) -> None:
    found = tracklets(
        (0, 1, (0, 9), RED), (1, 1, (0, 9), RED), times=np.array([(0.0, 1.0), (1.0, 2.0)])
    )
    assert ids_of(found, overlapping_views=overlapping) == expected
    apart = tracklets(
        (0, 1, (0, 9), RED), (1, 1, (0, 9), RED), times=np.array([(0.0, 1.0), (1.1, 2.0)])
    )
    assert ids_of(apart, overlapping_views=overlapping) == [1, 1]


def test_without_a_common_clock_anyone_may_be_in_two_sources_at_once() -> None:
    times = np.array([(0.0, 1.0), NO_TIME])
    assert ids_of(tracklets((0, 1, (0, 9), RED), (1, 1, (0, 9), RED), times=times)) == [1, 1]


def test_classes_and_few_embeddings_keep_tracks_apart() -> None:
    rows = (0, 1, (0, 9), RED), (1, 1, (0, 9), RED)
    assert ids_of(tracklets(*rows, classes=np.array([0, 1], np.int32))) == [1, 2]
    few = tracklets(*rows, counts=np.array([5, 4], np.int32))
    assert ids_of(few) == [1, 2]
    assert ids_of(few, min_embeddings=4) == [1, 1]


def test_the_threshold_is_inclusive() -> None:
    found = tracklets((0, 1, (0, 9), (1, 0)), (1, 1, (0, 9), (0.5, 3**0.5 / 2)))
    assert ids_of(found, max_distance=0.5001) == [1, 1]
    assert ids_of(found, max_distance=0.4999) == [1, 2]


def random_distances(random: np.random.Generator, count: int) -> Float64Array:
    vectors = random.normal(size=(count, 6))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.clip(1 - vectors @ vectors.T, 0, 2)


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_those_of_scipy(seed: int) -> None:
    distances = random_distances(np.random.default_rng(seed), 60)
    np.fill_diagonal(distances, 0)
    expected = fcluster(linkage(squareform(distances, checks=False), "average"), 0.6, "distance")
    groups = average_link_groups(distances.astype(np.float32), 0.6)
    assert 1 < len(np.unique(groups)) < 60
    for row in range(60):
        same = np.flatnonzero(expected == expected[row])
        assert groups[row] == same[0]


def groups_by_brute_force(distances: Float64Array, limit: float) -> list[int]:
    """All pairs of groups, again after each merge."""
    groups = [[row] for row in range(len(distances))]
    while True:
        pairs = [
            (distances[np.ix_(a, b)].mean(), i, j)
            for i, a in enumerate(groups)
            for j, b in enumerate(groups)
            if i < j
        ]
        distance, i, j = min(pairs)
        if distance > limit:
            return [min(next(g for g in groups if row in g)) for row in range(len(distances))]
        groups[i] = sorted(groups[i] + groups.pop(j))


@pytest.mark.parametrize("seed", range(5))
def test_groups_with_exclusions_are_those_of_brute_force(seed: int) -> None:
    random = np.random.default_rng(seed)
    distances = random_distances(random, 16)
    excluded = np.triu(random.random(distances.shape) < 0.3, 1)
    distances[excluded | excluded.T] = np.inf
    groups = average_link_groups(distances.astype(np.float32), 0.9)
    assert groups.tolist() == groups_by_brute_force(distances, 0.9)


def test_too_many_tracks_are_refused() -> None:
    count = MOST_TRACKS + 1
    row = (0, 1, (0, 0), (1.0,))
    found = tracklets(*[row] * count, ids=np.arange(count))
    with pytest.raises(DataError, match=r"at most 10000 tracks of one class, got 10001; link"):
        ids_of(found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_distance": 0.0}, r"linking.max_distance: expected a number in \(0, 2\], got 0.0"),
        ({"min_embeddings": 0}, "linking.min_embeddings: expected >= 1, got 0"),
        ({"gallery_size": 0}, "linking.gallery_size: expected >= 1, got 0"),
        ({"max_distance": "much"}, "max_distance: expected a number"),
    ],
)
def test_wrong_settings_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LinkSettings(**changes)
