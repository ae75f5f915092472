"""Tracks on both sides of a seam, by common frames and by the gates of `refine`."""

import numpy as np
import pytest

from tracker.errors import ConfigError
from tracker.tracking.offline.seams import SeamSettings, same_tracks
from tracker.tracking.offline.track_rows import TrackRows

FPS = 10.0
SEAM = 100


def walker(number: int, x: float, frames: range, *, step: float = 2.0, kind: int = 0) -> TrackRows:
    """A box of 20 x 40 whose left side is at `x` in frame 100."""
    index = np.arange(frames.start, frames.stop, dtype=np.int32)
    left = x + step * (index - SEAM)
    boxes = np.stack([left, np.full(len(index), 50.0), left + 20, np.full(len(index), 90.0)], 1)
    ids = np.full(len(index), number, np.int64)
    return TrackRows.create(index, ids, boxes, classes=np.full(len(index), kind, np.int32))


def pairs(before: list[TrackRows], after: list[TrackRows]) -> dict[int, int]:
    rows = (TrackRows.concatenate(before), TrackRows.concatenate(after))
    return same_tracks(*rows, SeamSettings(), seam=SEAM, fps=FPS)


def nothing() -> TrackRows:
    return TrackRows.create([], [], np.zeros((0, 4)))


def test_without_tracks_there_are_no_pairs() -> None:
    assert pairs([nothing()], [nothing()]) == {}
    assert pairs([walker(1, 0, range(60, 100))], [nothing()]) == {}


def test_tracks_that_cover_each_other_are_the_same() -> None:
    before = [walker(5, 0, range(60, 100)), walker(9, 300, range(60, 100))]
    after = [walker(1, 301, range(80, 140)), walker(2, 1, range(90, 140))]
    assert pairs(before, after) == {1: 9, 2: 5}


def test_another_class_or_too_little_overlap_is_another_object() -> None:
    before = [walker(5, 0, range(60, 105))]
    assert pairs(before, [walker(1, 0, range(80, 140), kind=1)]) == {}
    # 12 of 20 pixels apart: an IoU of 8 / 32.
    assert pairs([walker(5, 0, range(60, 100))], [walker(1, 12, range(80, 99))]) == {}


def test_the_identity_at_the_seam_counts_after_a_switch() -> None:
    """The piece before has swapped two ids one second before the seam."""
    far, near = range(60, 90), range(90, 100)
    before = [walker(5, 0, far, step=0), walker(5, 300, near, step=0)]
    before += [walker(9, 300, far, step=0), walker(9, 0, near, step=0)]
    after = [walker(1, 0, range(60, 140), step=0), walker(2, 300, range(60, 140), step=0)]
    assert pairs(before, after) == {1: 9, 2: 5}


def test_an_object_that_is_hidden_at_the_seam_is_found_by_its_motion() -> None:
    before = [walker(5, 0, range(60, 95))]
    assert pairs(before, [walker(1, 0, range(106, 140))]) == {1: 5}
    # 31 frames at 10 a second are longer than the 3 s of `max_gap_s`.
    assert pairs(before, [walker(1, 0, range(126, 160))]) == {}
    assert pairs(before, [walker(1, 90, range(106, 140))]) == {}


def test_tracks_of_one_side_are_never_joined() -> None:
    after = [walker(1, 0, range(101, 120)), walker(2, 0, range(125, 140))]
    assert pairs([walker(5, 500, range(60, 100))], after) == {}
    before = [walker(5, 0, range(60, 80)), walker(6, 0, range(84, 97))]
    assert pairs(before, [walker(1, 0, range(103, 140))]) == {1: 6}


@pytest.mark.parametrize(("name", "value"), [("min_iou", 0.0), ("half_life_s", 0.0)])
def test_settings_out_of_range(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        SeamSettings(**{name: value})


def test_a_track_that_is_lost_at_the_seam_is_found_again_before_a_shaking_camera() -> None:
    shake = np.cumsum(np.random.default_rng(0).normal(0, 15, 200))

    def shaken(rows: TrackRows) -> TrackRows:
        moved = shake[rows.frames][:, None] * [[1.0, 0.0, 1.0, 0.0]]
        return rows.replace(boxes=rows.boxes + moved)

    others = [walker(number, 60.0 * number, range(60, 100)) for number in range(11, 16)]
    before = [shaken(one) for one in (*others, walker(5, 0, range(60, 95)))]
    later = [walker(number - 9, 60.0 * number, range(90, 140)) for number in range(11, 16)]
    after = [shaken(one) for one in (*later, walker(1, 0, range(106, 140)))]
    assert pairs(before, after) == {1: 5, **{number - 9: number for number in range(11, 16)}}
