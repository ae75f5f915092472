"""The `Linker`: ids across sources while they run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tracker.detections import Detections
from tracker.errors import DataError
from tracker.frames import Frame, VideoInfo
from tracker.linking.online import Linker
from tracker.linking.settings import LinkSettings
from tracker.tracks import RunInfo, TrackedFrame, Tracks, TrackState

RED, BLUE, GREEN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
UNKNOWN = (0.0, 0.0, 0.0)
RUN = RunInfo(
    VideoInfo(source="in", width=8, height=8, fps=Fraction(10), time_base=Fraction(1, 10)),
    ("person", "car"),
)
IMAGE = np.zeros((8, 8, 3), np.uint8)


def result(
    index: int,
    seen: Mapping[int, Sequence[float]],
    *,
    lost: Sequence[int] = (),
    wall_s: float | None = None,
    classes: Mapping[int, int] | None = None,
) -> TrackedFrame:
    """A frame in which tracks are matched with an embedding each, and others are lost."""
    ids = sorted([*seen, *lost])
    matched = [number for number in ids if number in seen]
    kinds = [(classes or {}).get(number, 0) for number in ids]
    detections = Detections.create(
        np.tile([0.0, 0, 1, 1], (len(matched), 1)),
        np.ones(len(matched)),
        [(classes or {}).get(number, 0) for number in matched],
        np.array([seen[number] for number in matched] or np.zeros((0, 3)), np.float32),
    )
    count = len(ids)
    tracks = Tracks(
        ids=np.array(ids, np.int64),
        boxes=np.tile(np.array([0, 0, 1, 1], np.float32), (count, 1)),
        velocities=np.zeros((count, 2), np.float32),
        scores=np.ones(count, np.float32),
        classes=np.array(kinds, np.int32),
        class_scores=np.ones(count, np.float32),
        states=np.full(count, TrackState.CONFIRMED, np.uint8),
        ages=np.ones(count, np.int32),
        misses=np.zeros(count, np.int32),
        detection_index=np.array(
            [matched.index(number) if number in seen else -1 for number in ids], np.int32
        ),
    )
    frame = Frame(IMAGE, index, index / 10, "in", wall_s)
    return TrackedFrame(frame, detections, tracks, {}, RUN)


def linker(**changes) -> Linker:
    return Linker(LinkSettings(**({"min_embeddings": 1} | changes)))


def ids(linked: TrackedFrame) -> dict[int, int]:
    tracks = linked.tracks
    return dict(zip(tracks.ids.tolist(), tracks.global_ids.tolist(), strict=True))


def test_a_frame_without_tracks_stays_as_it_is() -> None:
    empty = result(0, {})
    assert linker().link(0, empty) is empty


def test_an_id_comes_with_the_fifth_embedding() -> None:
    linking = Linker(LinkSettings())
    found = [ids(linking.link(0, result(n, {3: RED})))[3] for n in range(6)]
    assert found == [-1, -1, -1, -1, 1, 1]


def test_unknown_appearance_does_not_count_and_predictions_keep_the_id() -> None:
    linking = linker(min_embeddings=2)
    shown = (RED, UNKNOWN, UNKNOWN, RED)
    assert [ids(linking.link(0, result(n, {3: seen})))[3] for n, seen in enumerate(shown)] == [
        *(-1, -1, -1, 1)
    ]
    assert ids(linking.link(0, result(4, {}, lost=[3]))) == {3: 1}
    assert ids(linking.link(0, result(5, {-2: RED}))) == {-2: -1}  # tentative


def test_the_same_person_in_another_source_and_later_in_the_same() -> None:
    linking = linker()
    assert ids(linking.link(0, result(0, {1: RED, 2: BLUE}))) == {1: 1, 2: 2}
    assert ids(linking.link(1, result(0, {1: BLUE, 2: GREEN}))) == {1: 2, 2: 3}
    assert ids(linking.link(0, result(1, {5: RED}))) == {5: 1}


def test_two_tracks_at_once_are_two_people_and_the_nearer_one_is_taken() -> None:
    linking = linker()
    linking.link(0, result(0, {1: RED}))
    assert ids(linking.link(1, result(0, {1: (0.8, 0.6, 0), 2: (0.96, 0.28, 0)}))) == {1: 2, 2: 1}


def test_a_class_of_its_own() -> None:
    linking = linker()
    linking.link(0, result(0, {1: RED}))
    assert ids(linking.link(1, result(0, {1: RED}, classes={1: 1}))) == {1: 2}


def test_the_distance_is_the_mean_over_the_tracks_of_a_person() -> None:
    # 0.2 and 0.8 from the two tracks of the person: 0.5 on average.
    first, second = (1.0, 0.0, 0.0), (0.8, 0.6, 0.0)
    third = (0.8, -0.6 * 0.6 / 0.6, 0.0)  # cosine 0.8 with the first, 0.28 with the second
    mean = (0.2 + 0.72) / 2
    for limit, expected in ((mean + 0.001, 1), (mean - 0.001, 2)):
        linking = linker(max_distance=limit)
        linking.link(0, result(0, {1: first}))
        assert ids(linking.link(1, result(0, {1: second}))) == {1: 1}
        assert ids(linking.link(2, result(0, {1: third}))) == {1: expected}


def test_a_lost_track_that_returns_takes_its_id_back() -> None:
    linking = linker()
    linking.link(0, result(0, {1: RED}))
    assert ids(linking.link(0, result(1, {2: RED}))) == {2: 1}
    assert ids(linking.link(0, result(2, {1: RED, 2: RED}))) == {1: 1, 2: 2}
    assert ids(linking.link(0, result(3, {1: RED, 2: RED}))) == {1: 1, 2: 2}


@pytest.mark.parametrize("overlapping", [False, True])
def test_on_the_wall_clock_nobody_is_in_two_sources_at_once(overlapping: bool) -> None:
    linking = linker(overlapping_views=overlapping)
    linking.link(0, result(0, {1: RED}, wall_s=100.0))
    linking.link(1, result(0, {1: GREEN}, wall_s=100.0))
    linking.link(0, result(1, {1: RED}, wall_s=100.1))
    at_once = ids(linking.link(1, result(1, {2: RED}, wall_s=100.1)))
    assert at_once == {2: 1 if overlapping else 3}
    later = ids(linking.link(1, result(2, {3: RED}, wall_s=100.2)))
    assert later == {3: 1}


def test_a_track_that_returns_in_another_source_takes_its_id_back() -> None:
    linking = linker()
    linking.link(0, result(0, {1: RED}, wall_s=100.0))
    assert ids(linking.link(1, result(0, {1: RED}, wall_s=100.1))) == {1: 1}
    assert ids(linking.link(0, result(2, {1: RED}, wall_s=100.2))) == {1: 1}
    assert ids(linking.link(1, result(2, {1: RED}, wall_s=100.2))) == {1: 2}
    assert ids(linking.link(0, result(3, {1: RED}, wall_s=100.3))) == {1: 1}


def test_files_have_no_common_clock() -> None:
    linking = linker()
    for index in range(3):
        assert ids(linking.link(0, result(index, {1: RED}))) == {1: 1}
        assert ids(linking.link(1, result(index, {1: RED}))) == {1: 1}


def test_the_person_not_seen_for_the_longest_time_is_forgotten() -> None:
    linking = linker(gallery_size=2)
    linking.link(0, result(0, {1: RED, 2: BLUE}))
    assert ids(linking.link(0, result(1, {1: RED, 3: GREEN}))) == {1: 1, 3: 3}
    assert ids(linking.link(1, result(0, {1: BLUE}))) == {1: 4}  # 2 was forgotten
    assert ids(linking.link(0, result(2, {2: BLUE}))) == {2: 2}  # its track keeps the id


def test_embeddings_of_two_sizes_are_refused() -> None:
    linking = linker()
    linking.link(0, result(0, {1: RED}))
    with pytest.raises(DataError, match="embeddings of 3 values, as before, got 2"):
        linking.link(1, result(0, {1: (1, 0)}))


def test_without_embeddings_there_are_no_ids() -> None:
    linking = linker()
    bare = result(0, {1: RED})
    bare = replace(bare, detections=bare.detections.with_embeddings(np.zeros((1, 0), np.float32)))
    assert ids(linking.link(0, bare)) == {1: -1}


@pytest.mark.parametrize("seed", range(4))
def test_no_id_is_twice_in_a_frame_and_the_same_order_gives_the_same_ids(seed: int) -> None:
    """Few looks and many tracks that come, go and return."""
    random = np.random.default_rng(seed)
    frames = []
    looks = np.eye(3, dtype=np.float32)[random.integers(0, 3, 60)]
    for index in range(120):
        near = np.arange(60)[max(0, index // 2 - 4) : index // 2 + 1]
        seen = {int(n) + 1: looks[n] for n in near if random.random() < 0.6}
        frames.append((index % 2, result(index, seen, wall_s=index / 10)))
    first, second = linker(), linker()
    several = 0
    for source, frame in frames:
        found = ids(first.link(source, frame))
        numbers = [number for number in found.values() if number != -1]
        assert len(set(numbers)) == len(numbers) == len(found)
        assert ids(second.link(source, frame)) == found
        several += len(found) > 1
    assert several > 50
