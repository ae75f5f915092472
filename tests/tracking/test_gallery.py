"""The gallery against the smallest cosine distance worked out pair by pair."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tracker.tracking.association import Pairs, assign
from tracker.tracking.gallery import AppearanceGallery


def units(count: int, size: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def matrix(
    gallery: AppearanceGallery,
    slots: list[int],
    seen: np.ndarray,
    admissible: np.ndarray,
    enough: float = -np.inf,
) -> np.ndarray:
    """Distances as a matrix, infinite where a pair is not admissible."""
    result = np.full(admissible.shape, np.inf)
    rows, columns = admissible.nonzero()
    result[rows, columns] = gallery.distances(np.array(slots)[rows], columns, seen, enough=enough)
    return result


def test_an_empty_gallery_is_far_from_everything() -> None:
    gallery = AppearanceGallery(3)
    distances = matrix(gallery, [0, 1], units(2, 4, 0), np.ones((2, 2), np.bool_))
    assert np.isinf(distances).all()


def test_smallest_distance_of_admissible_pairs_only() -> None:
    gallery = AppearanceGallery(10)
    stored, seen = units(6, 8, 1), units(3, 8, 2)
    for row in range(6):
        gallery.add(np.array([row % 2]), stored[row : row + 1])
    admissible = np.array([[True, True, False], [False, True, True]])
    distances = matrix(gallery, [0, 1], seen, admissible)
    for track in range(2):
        for column in range(3):
            expected = min(1 - float(v @ seen[column]) for v in stored[track::2])
            if admissible[track, column]:
                np.testing.assert_allclose(distances[track, column], expected, atol=1e-6)
            else:
                assert np.isinf(distances[track, column])


def test_the_oldest_embedding_is_overwritten_when_full() -> None:
    gallery = AppearanceGallery(2)
    basis = np.eye(3, dtype=np.float32)
    for vector in basis:
        gallery.add(np.array([0]), vector[None])
    distances = matrix(gallery, [0], basis, np.ones((1, 3), np.bool_))
    assert distances[0].tolist() == [1.0, 0.0, 0.0]


def test_a_cleared_slot_is_empty() -> None:
    gallery = AppearanceGallery(2)
    gallery.add(np.array([0, 40]), np.eye(2, dtype=np.float32))
    gallery.clear(np.array([0]))
    distances = matrix(gallery, [0, 40], np.eye(2, dtype=np.float32), np.ones((2, 2), np.bool_))
    assert np.isinf(distances[0]).all()
    assert distances[1].tolist() == [1.0, 0.0]


def test_embeddings_without_width_are_no_appearance() -> None:
    gallery = AppearanceGallery(2)
    gallery.add(np.array([0]), np.zeros((1, 0), np.float32))
    none = np.zeros((1, 0), np.float32)
    assert np.isinf(gallery.distances(np.array([0]), np.array([0]), none)).all()


def test_stored_embeddings_are_returned_oldest_first() -> None:
    gallery, vectors = AppearanceGallery(3), units(5, 4, 3)
    assert len(gallery.stored(7)) == 0
    for row in range(5):
        gallery.add(np.array([1]), vectors[row : row + 1])
    np.testing.assert_array_equal(gallery.stored(1), vectors[2:])


def test_a_moved_gallery_follows_the_one_it_joins() -> None:
    gallery, vectors = AppearanceGallery(3), units(4, 4, 3)
    for slot, row in ((0, 0), (0, 1), (2, 2), (2, 3)):
        gallery.add(np.array([slot]), vectors[row : row + 1])
    gallery.move(2, 0)
    np.testing.assert_array_equal(gallery.stored(0), vectors[1:])
    assert len(gallery.stored(2)) == 0


def test_memory_is_bounded_by_the_slots_in_use() -> None:
    gallery = AppearanceGallery(10)
    for seed in range(100):
        gallery.add(np.arange(20), units(20, 8, seed))
    assert gallery.nbytes <= 2 * 20 * 10 * 8 * 4


@given(data=st.data())
def test_enough_changes_no_assignment(data: st.DataObject) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    tracks, detections = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    gallery = AppearanceGallery(8)
    looks = units(tracks, 5, int(random.integers(1000)))
    for _ in range(data.draw(st.integers(0, 12))):
        seen = np.flatnonzero(random.random(tracks) < 0.8)
        gallery.add(seen, looks[seen])
        looks = looks + random.normal(0, 0.15, looks.shape).astype(np.float32)
        looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    found = units(detections, 5, int(random.integers(1000)))
    found[: min(tracks, detections)] = looks[: min(tracks, detections)]
    admissible = random.random((tracks, detections)) < 0.4
    results = []
    for enough in (-np.inf, 0.3):
        distance = matrix(gallery, list(range(tracks)), found, admissible, enough)
        matches = assign(Pairs.of(distance, distance <= 0.3), unmatched_cost=0.3)
        results.append((matches.rows.tolist(), matches.columns.tolist()))
    assert results[0] == results[1]
