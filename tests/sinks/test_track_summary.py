import json
import tracemalloc
from collections import Counter
from dataclasses import dataclass, field, replace
from math import hypot

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sinks.results import CONFIRMED, TENTATIVE, make_result, make_run, make_tracks
from tracker.sinks.json_records import Summary, encode
from tracker.sinks.track_summary import PATIENCE_FRAMES, TrackLives

LONG = 2 * PATIENCE_FRAMES
"""So many frames without a track, and it is packed whenever the gap began."""

RUN = make_run(class_names=tuple("abcdefgh"))


@dataclass
class Kept:
    """All that there is to know of one track, as it came."""

    frames: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    centres: list[tuple[float, float]] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)


def plain_footer(results):
    """The footer from all results at once: nothing is forgotten, nothing is packed."""
    kept: dict[int, Kept] = {}
    for result in results:
        tracks = result.tracks
        for row, track_id in enumerate(tracks.ids.tolist()):
            if track_id > 0:
                one = kept.setdefault(track_id, Kept())
                x1, y1, x2, y2 = (float(value) for value in tracks.boxes[row])
                one.frames.append(result.frame.index)
                one.times.append(round(result.frame.time_s, 6))
                one.centres.append(((x1 + x2) / 2, (y1 + y2) / 2))
                one.classes.append(int(tracks.classes[row]))
    rows = [plain_row(track_id, kept[track_id]) for track_id in sorted(kept)]
    facts = {"kind": "footer", "frames": len(results), "ids": len(rows), "complete": True}
    return encode(facts | {"tracks": rows})


def plain_row(track_id, one):
    steps = zip(one.centres, one.centres[1:], strict=False)
    length = 0.0
    for (ax, ay), (bx, by) in steps:
        length += hypot(bx - ax, by - ay)
    votes = Counter(one.classes)
    return {
        "id": track_id,
        "class": RUN.class_names[max(sorted(votes), key=votes.__getitem__)],
        "first_frame": one.frames[0],
        "last_frame": one.frames[-1],
        "first_time_s": one.times[0],
        "last_time_s": one.times[-1],
        "frames": len(one.frames),
        "path_length": round(length, 2),
    }


def footer(results):
    summary = Summary()
    for result in results:
        summary.add(result)
    return b"".join(summary.footer(RUN, complete=True))


EMPTY = make_result(0, run=RUN)


def empty_frames(first, count):
    frames = (replace(EMPTY.frame, index=n) for n in range(first, first + count))
    return [replace(EMPTY, frame=frame) for frame in frames]


def seen(index, *rows):
    return make_result(index, make_tracks(*rows), run=RUN)


def test_no_track_is_an_empty_list():
    assert footer([]) == plain_footer([])
    assert footer(empty_frames(0, 3 * LONG)) == plain_footer(empty_frames(0, 3 * LONG))


def test_a_track_that_is_gone_is_told_as_it_was():
    results = [
        seen(0, (1, (0, 0, 2, 2), CONFIRMED, 3)),
        seen(1, (1, (3, 4, 5, 6), CONFIRMED, 3)),
        *empty_frames(2, LONG),
    ]
    assert json.loads(footer(results))["tracks"] == [
        {
            "id": 1,
            "class": "d",
            "first_frame": 0,
            "last_frame": 1,
            "first_time_s": 0.0,
            "last_time_s": 0.04,
            "frames": 2,
            "path_length": 5.0,
        }
    ]


def test_a_track_that_comes_back_goes_on_where_it_was():
    back = 1 + LONG
    results = [
        seen(0, (1, (0, 0, 2, 2), CONFIRMED, 1)),
        *empty_frames(1, LONG),
        seen(back, (1, (3, 4, 5, 6), CONFIRMED, 0)),
        *empty_frames(back + 1, LONG),
        seen(back + LONG + 1, (1, (6, 8, 8, 10), CONFIRMED, 0)),
    ]
    (track,) = json.loads(footer(results))["tracks"]
    # It moved twice by (3, 4); twice of class 0, once of class 1.
    assert (track["frames"], track["path_length"], track["class"]) == (3, 10.0, "a")
    assert (track["first_frame"], track["last_frame"]) == (0, back + LONG + 1)


def test_the_classes_of_a_track_that_comes_back_count_on():
    results = []
    for classes in ((5, 2, 2), (5, 7, 7), (7, 2)):
        for number in classes:
            results.append(seen(len(results), (1, (0, 0, 1, 1), CONFIRMED, number)))
        results += empty_frames(len(results), LONG)
    # Packed three times; 5 twice, 2 and 7 three times, and 2 is the lower of these.
    (track,) = json.loads(footer(results))["tracks"]
    assert (track["frames"], track["class"]) == (8, "c")
    assert footer(results) == plain_footer(results)


def test_ids_that_end_in_any_order_are_told_by_rising_id():
    results = []
    for track_id in (5, 2, 2**40, 9, 3):
        start = len(results)
        results.append(seen(start, (track_id, (0, 0, 1, 1), CONFIRMED)))
        results += empty_frames(start + 1, LONG)
    results.append(seen(len(results), (4, (0, 0, 1, 1), CONFIRMED)))  # still an object
    told = [track["id"] for track in json.loads(footer(results))["tracks"]]
    assert told == [2, 3, 4, 5, 9, 2**40]


def test_tentative_tracks_do_not_count():
    assert footer([seen(0, (-1, (0, 0, 1, 1), TENTATIVE))]) == plain_footer(empty_frames(0, 1))


def test_lives_can_be_told_in_the_middle_of_a_run():
    lives = TrackLives()
    lives.add(make_tracks((1, (0, 0, 1, 1), CONFIRMED)), frame=0, time_s=0.0)
    for frame in range(1, LONG + 1):
        lives.add(make_tracks(), frame=frame, time_s=frame / 25)
    told = iter(lives)
    assert next(told)[0] == 1
    for track_id in (1, 2):
        lives.add(make_tracks((track_id, (0, 0, 1, 1), CONFIRMED)), frame=LONG + 1, time_s=9.0)
    assert [(track_id, life.frames) for track_id, life in lives] == [(1, 2), (2, 1)]


corners = st.floats(-1e4, 1e4, width=32)
boxes = st.tuples(corners, corners, corners, corners)
shots = st.dictionaries(st.integers(1, 4), st.tuples(boxes, st.integers(0, 2)), max_size=3)
gaps = st.sampled_from([1, 1, 1, 2, PATIENCE_FRAMES - 1, PATIENCE_FRAMES, LONG, LONG + 1])
"""Frames from one that shows something to the next, those without tracks included."""


@settings(max_examples=60)
@given(st.lists(st.tuples(gaps, shots), max_size=12), st.floats(0, 1e6))
def test_the_footer_is_that_of_who_forgets_nothing(script, start_s):
    results = []
    for gap, shot in script:
        results += empty_frames(len(results), gap - 1)
        rows = [(track_id, box, CONFIRMED, number) for track_id, (box, number) in shot.items()]
        tracks = make_tracks(*sorted(rows))
        time_s = start_s + len(results) / 29.97
        results.append(make_result(len(results), tracks, run=RUN, time_s=time_s))
    assert footer(results) == plain_footer(results)
    results += empty_frames(len(results), LONG)  # and with all of them packed
    assert footer(results) == plain_footer(results)


def brief_lives(count, classes):
    """Lives of three frames with so many classes each, 100 at a time, all of them gone."""
    lives = TrackLives()
    random = np.random.default_rng(0)
    frame = 0
    for start in range(1, count + 1, 100):
        for step in range(3):
            boxes = random.uniform(0, 1000, (100, 4))
            rows = [(start + n, box, CONFIRMED, step % classes) for n, box in enumerate(boxes)]
            lives.add(make_tracks(*rows), frame=frame, time_s=frame / 25)
            frame += 1
    for _ in range(LONG):
        lives.add(make_tracks(), frame=frame, time_s=frame / 25)
    return lives


def test_the_last_global_id_is_kept_also_of_a_track_that_is_gone():
    tracks = make_tracks((3, (0, 0, 2, 2), CONFIRMED), (4, (0, 0, 2, 2), CONFIRMED))
    lives = TrackLives()
    for frame, numbers in enumerate(([-1, -1], [7, -1], [9, -1], [-1, -1])):
        linked = replace(tracks, global_ids=np.array(numbers, np.int64))
        lives.add(linked, frame=frame, time_s=0.0)
    assert [(number, life.global_id) for number, life in lives] == [(3, 9), (4, -1)]
    for frame in range(4, 4 + LONG):
        lives.add(make_tracks(), frame=frame, time_s=0.0)
    assert [(number, life.global_id) for number, life in lives] == [(3, 9), (4, -1)]
    summary = Summary()
    summary.add(replace(EMPTY, tracks=replace(tracks, global_ids=np.array([9, -1], np.int64))))
    footer = json.loads(b"".join(summary.footer(RUN, complete=True)))
    assert [track.get("global_id") for track in footer["tracks"]] == [9, None]


def test_a_track_that_is_gone_takes_few_bytes():
    tracemalloc.start()
    try:
        brief_lives(100, 1)
        before = tracemalloc.get_traced_memory()[0]
        one_class = brief_lives(5_000, 1)
        middle = tracemalloc.get_traced_memory()[0]
        three_classes = brief_lives(2_000, 3)
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert (len(one_class), len(three_classes)) == (5_000, 2_000)
    # 80 bytes, and up to an eighth that the block has in reserve; 16 for each further class.
    assert (middle - before) / 5_000 < 99
    assert (after - middle) / 2_000 < 138


def test_the_footer_of_a_long_run_takes_little_memory():
    summary = Summary()
    for frame in range(0, 4 * 5000, 4):
        summary.add(seen(frame, (frame, (0, 0, 1, 1), CONFIRMED)))
    tracemalloc.start()
    try:
        size = sum(len(part) for part in summary.footer(RUN, complete=True))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 600_000
    assert peak < size / 2
