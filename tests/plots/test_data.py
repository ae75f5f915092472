"""The numbers behind the plots, by hand."""

from dataclasses import replace
from typing import Any

import numpy as np

from tracker.plots.data import (
    CELLS,
    PlotData,
    event_steps,
    first_times,
    occupancy,
    plot_data,
    time_map,
)
from tracker.plots.summaries import summaries
from tracker.track_files.frame_facts import FrameFacts
from tracker.track_files.json_file import Header, Recording, recording_of


def track(number: int, x: float, name: str = "person", **more: Any) -> dict[str, Any]:
    box = [x - 1, 10, x + 1, 40]
    return {"id": number, "class": name, "score": 1, "box": box, "state": "confirmed", **more}


def recording(*frames: tuple[float, list[dict[str, Any]]], events: Any = ()) -> Recording:
    """Returns a recording of frames of 96x48; each is its time and its tracks."""
    header = Header(width=96, height=48, fps=10.0, class_names=("person", "car"))
    records = [
        ("", {"kind": "frame", "frame": n, "time_s": time, "tracks": found})
        for n, (time, found) in enumerate(frames)
    ]
    return recording_of(header, [*records, *(("", one) for one in events)], path="a")


def data_of(*frames: tuple[float, list[dict[str, Any]]], events: Any = ()) -> PlotData:
    return plot_data(recording(*frames, events=events), title="a", fps=30)


def test_the_heat_map_counts_seconds_not_frames() -> None:
    # Stands for 3 frames of 0.1 s, then 1 frame of 0.5 s: 0.8 s in one cell; then one step of 4 px.
    stands = [(time, [track(1, 10.5)]) for time in (0.0, 0.1, 0.2, 0.3)]
    data = data_of(*stands, (0.8, [track(1, 14.5)]), (0.9, []))
    cells, side = time_map(data)
    assert (side, cells.shape) == (1, (48, CELLS))
    row = cells[39]  # the foot is at y = 40, the lower edge of that cell
    np.testing.assert_allclose(cells.sum(), row.sum())
    # The 0.5 s before the step are on the way: five parts of 0.1 s.
    np.testing.assert_allclose(row[10:15], [0.3 + 0.1, 0.1, 0.1, 0.1, 0.1 + 0.1])


def test_a_camera_that_was_away_counts_one_second() -> None:
    data = data_of((0.0, [track(1, 10.5)]), (3600.0, [track(1, 10.5)]))
    assert data.durations.tolist() == [1, 1]
    assert time_map(data)[0].sum() == 2


def test_feet_outside_the_frame_count_nowhere() -> None:
    assert time_map(data_of((0.0, [track(1, -5), track(2, 200)])))[0].sum() == 0


def test_occupancy_and_tracks_so_far_by_class() -> None:
    data = data_of(
        (0.0, [track(1, 5)]),
        (0.1, [track(1, 5), track(2, 9, "car"), track(3, 20)]),
        (0.2, []),
        (0.3, [track(1, 5, "car")]),
    )
    assert data.class_names == ("person", "car")
    assert data.class_ranks == (0, 1)
    # Track 1 was a person in two frames of three, and is one object in all of them.
    assert occupancy(data).tolist() == [[1, 2, 0, 1], [0, 1, 0, 0]]
    assert [times.tolist() for times in first_times(data)] == [[0, 0.1], [0.1]]


def test_of_equal_votes_the_lower_class_wins() -> None:
    data = data_of((0.0, [track(1, 5, "car")]), (0.1, [track(1, 5)]))
    assert data.tracks.classes.tolist() == [0, 0]
    assert data.class_names == ("person",)


def test_an_object_that_changes_its_class_stays_in_its_zone() -> None:
    def event(kind: str, time: float, how: str) -> dict[str, Any]:
        return {"kind": "event", "event": kind, "time_s": time, "zone": "yard", "how": how}

    events = [
        event("zone_entered", 0.1, "crossed"),
        event("zone_left", 0.2, "reclassified"),
        event("zone_entered", 0.2, "reclassified"),
        event("zone_left", 0.3, "crossed"),
    ]
    data = data_of((0.0, [track(1, 5)]), events=events)
    steps = event_steps(data, up=("event", "zone_entered"), down=("event", "zone_left"), key="zone")
    assert [values.tolist() for values in steps["yard"]] == [[0.1, 0.3], [1, 0]]


def test_a_summary_has_spans_gaps_and_speed() -> None:
    moving = {"velocity": [3, 4]}
    data = data_of(
        (0.0, [track(1, 5, **moving)]),
        (0.1, [track(1, 6, **moving, misses=1)]),
        (0.2, []),
        (0.3, [track(1, 9, **moving)]),
        (0.4, []),
    )
    [one] = summaries(data)
    np.testing.assert_allclose(one.spans, [(0, 0.2), (0.3, 0.1)])
    np.testing.assert_allclose(one.predicted_spans, [(0.1, 0.1)])
    np.testing.assert_allclose([one.first_s, one.last_s, one.longest_gap_s], [0, 0.4, 0.1])
    assert (one.frames, one.path_px, one.mean_speed) == (3, 4, 5)


def test_mot_text_has_only_the_frames_with_tracks() -> None:
    both = recording((0.0, [track(1, 5)]), (0.1, []), (0.2, [track(1, 7)]))
    times = np.full(2, np.nan)
    tracks = replace(both.tracks, fps=None, times_s=times)
    data = plot_data(Recording(tracks, None, (), complete=True), title="a", fps=10)
    assert data.times.tolist() == [0, 0.2]
    assert data.size == (8, 40)  # what holds all boxes
    assert not data.has_known_size


def test_times_that_go_back_stand_still() -> None:
    both = recording((0.5, [track(1, 5)]), (0.1, [track(1, 5)]))
    assert plot_data(both, title="a", fps=10).times.tolist() == [0.5, 0.5]
    unknown = replace(both, frames=(FrameFacts(0, None, None, None, 0, False), *both.frames[1:]))
    assert plot_data(unknown, title="a", fps=10).times.tolist() == [0, 0.1]


def test_events_of_lines_and_zones_add_up() -> None:
    def event(kind: str, time: float, **more: Any) -> dict[str, Any]:
        return {"kind": "event", "event": kind, "id": 1, "class": "car", "time_s": time, **more}

    events = [
        event("line_crossed", 0.2, line="door", direction="in"),
        event("line_crossed", 0.1, line="door", direction="in"),
        event("line_crossed", 0.3, line="door", direction="out"),
        event("zone_entered", 0.1, zone="yard"),
        event("zone_entered", 0.2, zone="yard"),
        event("zone_left", 0.3, zone="yard"),
        event("zone_left", 0.4, zone="yard", how="run_ended"),
        event("track_ended", 0.4),
        {"kind": "event", "zone": 3, "time_s": "soon"},
        {"kind": "event", "event": "zone_entered", "zone": "yard", "time_s": 10**400},
    ]
    data = data_of((0.0, [track(1, 5)]), events=events)
    times, sums = event_steps(data, up=("direction", "in"), key="line")["door"]
    assert (times.tolist(), sums.tolist()) == ([0.1, 0.2], [1, 2])
    zones = event_steps(data, up=("event", "zone_entered"), down=("event", "zone_left"), key="zone")
    assert list(zones) == ["yard"]
    assert zones["yard"][1].tolist() == [1, 2, 1]
