"""Events of hand-made clips: expected numbers are worked out by hand."""

import pytest

from tests.analytics.clips import NAMES, SIZE, analysed, boxed, told, tracks_at, walked
from tracker.analytics.analyser import Analyser
from tracker.analytics.events import EventKind, How
from tracker.analytics.settings import AnalyticsSettings, Anchor, Line, Zone
from tracker.errors import ConfigError
from tracker.tracks import Tracks, TrackState

# Seen from its first point, at the bottom, to its last: in is from left to right.
DOOR = Line("door", ((50.0, 100.0), (50.0, 0.0)))
YARD = Zone("yard", ((40.0, 20.0), (80.0, 20.0), (80.0, 90.0), (40.0, 90.0)))


def test_nothing_happens_without_tracks() -> None:
    events, analyser = analysed(AnalyticsSettings(lines=(DOOR,), zones=(YARD,)), [Tracks.empty()])
    assert events == []
    assert analyser.summary()["lines"][0]["in"] == {}
    assert analyser.summary()["zones"][0]["inside"] == {}


def test_a_line_is_crossed_at_the_interpolated_time() -> None:
    # From x = 40 to 60 in one second, the line is at 50: half a second after the first frame.
    settings = AnalyticsSettings(lines=(DOOR,))
    events, analyser = analysed(settings, walked((40, 50), (60, 50)))
    assert told(events) == [("line_crossed", "door", "in", 0.5)]
    back, _ = analysed(settings, walked((60, 50), (45, 50)))
    assert told(back) == [("line_crossed", "door", "out", round(10 / 15, 6))]
    assert analyser.counts.lines["door"].entered == {"person": 1}


def test_a_line_ends_at_its_ends() -> None:
    settings = AnalyticsSettings(lines=(Line("short", ((50.0, 40.0), (50.0, 20.0))),))
    events, _ = analysed(settings, walked((40, 60), (60, 60)))
    assert told(events) == []


def test_an_object_that_jitters_on_a_line_crosses_it_once() -> None:
    # Boxes are 10 high, so a tenth of the height is 1.
    xs = (45, 50.6, 49.5, 50.4, 49.3, 50.5, 49.8, 50.2, 55)
    settings = AnalyticsSettings(lines=(DOOR,))
    events, _ = analysed(settings, walked(*((x, 50) for x in xs)))
    # The last crossing before it is clear of the line: from 49.8 to 50.2, after frame 6.
    assert told(events) == [("line_crossed", "door", "in", 6.5)]
    eager = AnalyticsSettings(lines=(DOOR,), hysteresis=0.0)
    assert len(told(analysed(eager, walked(*((x, 50) for x in xs)))[0])) == 7


def test_an_object_that_is_lost_behind_a_line_and_comes_back_crosses_it_between() -> None:
    settings = AnalyticsSettings(lines=(DOOR,))
    events, _ = analysed(settings, walked((40, 50), None, (60, 50)))
    assert told(events) == [("line_crossed", "door", "in", 1.0)]
    # After more than three seconds it is another track: nobody knows how it came there.
    events, _ = analysed(settings, walked((40, 50), *[None] * 4, (60, 50)))
    assert told(events) == []
    assert [e.kind for e in events].count(EventKind.TRACK_ENDED) == 2


def test_a_crossing_counts_if_the_track_ends_right_behind_the_line() -> None:
    events, _ = analysed(AnalyticsSettings(lines=(DOOR,)), walked((49, 50), (50.5, 50)))
    assert told(events) == [("line_crossed", "door", "in", round(1 / 1.5, 6))]


def test_predicted_boxes_do_not_count() -> None:
    lost = tracks_at((1, 60, 50), state=TrackState.LOST)
    events, _ = analysed(AnalyticsSettings(lines=(DOOR,)), [tracks_at((1, 40, 50)), lost])
    assert told(events) == []
    tentative = tracks_at((-1, 40, 50)), tracks_at((-1, 60, 50))
    assert analysed(AnalyticsSettings(lines=(DOOR,)), tentative)[0] == []


def test_a_visit_of_a_zone() -> None:
    # In at x = 40 after 0.5 s, out at x = 80 after 2.5 s: two seconds inside.
    events, analyser = analysed(
        AnalyticsSettings(zones=(YARD,)), walked((30, 50), (50, 50), (70, 50), (90, 50))
    )
    assert told(events) == [
        ("zone_entered", "yard", "crossed", 0.5),
        ("zone_left", "yard", "crossed", 2.5),
    ]
    assert events[2].dwell_s == 2.0
    summary = analyser.summary()["zones"][0]
    assert summary["in"] == summary["out"] == {"person": {"crossed": 1}}
    assert (summary["inside"], summary["peak"], summary["mean_dwell_s"]) == ({}, 1, 2.0)
    assert summary["mean_occupancy"] == round(2 / 3, 4)


def test_born_inside_lost_inside_resumed_and_inside_at_the_end() -> None:
    settings = AnalyticsSettings(zones=(YARD,))
    born = walked((60, 50), (60, 50), *[None] * 5)
    events, analyser = analysed(settings, born)
    assert told(events) == [
        ("zone_entered", "yard", "appeared", 0.0),
        ("zone_left", "yard", "vanished", 1.0),
    ]
    assert analyser.counts.zones["yard"].occupancy == 0
    resumed, analyser = analysed(settings, walked((60, 50), None, None, (61, 50)))
    assert told(resumed) == [
        ("zone_entered", "yard", "appeared", 0.0),
        ("zone_left", "yard", "run_ended", 3.0),
    ]
    # It is still inside when the run ends: entries minus exits is the occupancy.
    assert analyser.counts.zones["yard"].inside == {"person": 1}
    assert analyser.counts.zones["yard"].left == {}


def test_a_class_that_changes_inside_moves_the_count() -> None:
    frames = [tracks_at((1, x, 50, label)) for x, label in ((30, 0), (50, 0), (60, 1), (90, 1))]
    events, analyser = analysed(AnalyticsSettings(zones=(YARD,)), frames)
    assert told(events) == [
        ("zone_entered", "yard", "crossed", 0.5),
        ("zone_left", "yard", "reclassified", 2.0),
        ("zone_entered", "yard", "reclassified", 2.0),
        ("zone_left", "yard", "crossed", round(2 + 20 / 30, 6)),
    ]
    # The visit goes on: its time is that of the whole stay.
    assert events[-2].dwell_s == pytest.approx(2 + 20 / 30 - 0.5)
    assert analyser.counts.zones["yard"].visits == 1
    only_cars = AnalyticsSettings(zones=(Zone("yard", YARD.polygon, classes=("car",)),))
    assert [row[2] for row in told(analysed(only_cars, frames)[0])] == ["reclassified", "crossed"]


def test_only_the_classes_of_a_line_are_counted() -> None:
    cars = Line("door", DOOR.points, classes=("car",))
    frames = [tracks_at((1, x, 50, 0), (2, x, 60, 1)) for x in (40, 60)]
    events, _ = analysed(AnalyticsSettings(lines=(cars,)), frames)
    assert [(e.track_id, e.class_name) for e in events if e.place] == [(2, "car")]
    with pytest.raises(ConfigError, match="did you mean 'car'"):
        Analyser(
            AnalyticsSettings(lines=(Line("door", DOOR.points, classes=("cra",)),)), SIZE, NAMES
        )


@pytest.mark.parametrize(
    ("anchor", "crosses"), [(Anchor.BOTTOM, False), (Anchor.CENTER, False), (Anchor.TOP, True)]
)
def test_the_anchor_is_the_point_that_crosses(anchor: Anchor, crosses: bool) -> None:
    # The box moves up from 30 to 24 with its lower edge: only its upper edge, at 10 less, crosses.
    low = Line("low", ((0.0, 16.0), (200.0, 16.0)), anchor=anchor)
    frames = walked((50, 30), (50, 24))
    assert bool(told(analysed(AnalyticsSettings(lines=(low,)), frames)[0])) is crosses
    by_class = AnalyticsSettings(
        lines=(Line("low", low.points),), anchors={"person": anchor, "car": Anchor.CENTER}
    )
    assert bool(told(analysed(by_class, frames)[0])) is crosses


def test_a_share_of_the_box_may_have_to_be_inside() -> None:
    half = Zone("half", ((100.0, 0.0), (200.0, 0.0), (200.0, 100.0), (100.0, 100.0)),
                inside_share=0.5)  # fmt: skip
    # Boxes 20 wide move right by 10: the shares inside are 0, 0.25, 0.75, 1.
    frames = [boxed([1], [[x, 0, x + 20, 20]]) for x in (75, 85, 95, 105)]
    events, _ = analysed(AnalyticsSettings(zones=(half,)), frames)
    # From 0.25 to 0.75 the half is reached in the middle.
    assert told(events)[0] == ("zone_entered", "half", "crossed", 1.5)


def test_a_fast_object_passes_a_zone_between_two_frames() -> None:
    events, analyser = analysed(AnalyticsSettings(zones=(YARD,)), walked((20, 50), (100, 50)))
    assert told(events) == [
        ("zone_entered", "yard", "crossed", 0.25),
        ("zone_left", "yard", "crossed", 0.75),
    ]
    assert analyser.counts.zones["yard"].occupancy == 0


def test_shares_and_sizes_are_scaled_to_the_frame() -> None:
    share = AnalyticsSettings(units="share", lines=(Line("door", ((0.25, 1.0), (0.25, 0.0))),))
    scaled = AnalyticsSettings(size=(400, 200), lines=(Line("door", ((100, 200), (100, 0))),))
    for settings in (share, scaled):
        events, _ = analysed(settings, walked((40, 50), (60, 50)))
        assert told(events) == [("line_crossed", "door", "in", 0.5)]


def test_dwelling_and_loitering_are_reported_once() -> None:
    zone = Zone("yard", YARD.polygon, dwell_s=1.5, loiter_s=3.0)
    inside, outside = [(60, 50)] * 3, [(100, 50)]
    events, _ = analysed(
        AnalyticsSettings(zones=(zone,)), walked(*inside, *outside, *inside, *inside)
    )
    alarms = [(e.kind.value, e.time_s) for e in events if "zone_" not in e.kind and e.place]
    # First visit from 0 to 2.5 s (the border at 80 is half way from 60 to 100), then from 3.5 s.
    assert alarms == [("dwell_exceeded", 1.5), ("loitering", 4.0), ("dwell_exceeded", 5.0)]


def test_a_limit_that_passes_while_the_track_is_not_seen_is_reported_when_it_is() -> None:
    zone = Zone("yard", YARD.polygon, dwell_s=2.0)
    inside, outside = (1, 50, 50), (2, 10, 50)
    frames = [tracks_at(inside, outside)] * 2 + [tracks_at(outside), tracks_at(inside, outside)]
    events, _ = analysed(AnalyticsSettings(zones=(zone,)), frames)
    found = [(e.track_id, e.time_s) for e in events if e.kind is EventKind.DWELL_EXCEEDED]
    assert found == [(1, 2.0)]


def test_a_track_of_another_class_has_dwelt_once_its_class_counts() -> None:
    zone = Zone("yard", YARD.polygon, classes=("car",), dwell_s=1.5)
    frames = [tracks_at((1, 60, 50, 1 if n >= 4 else 0)) for n in range(6)]
    events, _ = analysed(AnalyticsSettings(zones=(zone,)), frames)
    assert told(events)[:2] == [
        ("zone_entered", "yard", "reclassified", 4.0),
        ("dwell_exceeded", "yard", "None", 4.0),
    ]


def test_stops_and_queue() -> None:
    zone = Zone("yard", YARD.polygon, stop_s=2.0)
    # Boxes are 10 high: within 2 pixels is still.
    standing = [tracks_at((1, 60 + x, 50), (2, 50 + 5 * n, 50)) for n, x in enumerate((0, 1, 0, 1))]
    events, analyser = analysed(AnalyticsSettings(zones=(zone,)), standing)
    stops = [(e.track_id, e.time_s, e.dwell_s) for e in events if e.kind is EventKind.STOPPED]
    assert stops == [(1, 2.0, 2.0)]
    assert analyser.counts.zones["yard"].peak_queue == 1


def test_wrong_way() -> None:
    zone = Zone("yard", YARD.polygon, direction=((0.0, 50.0), (100.0, 50.0)))
    right = analysed(AnalyticsSettings(zones=(zone,)), walked((45, 50), (55, 50), (70, 50)))[0]
    assert all(event.kind is not EventKind.WRONG_WAY for event in right)
    # Back by 3 is jitter, back by 6, more than half of the height of 10, is not.
    back = walked((60, 50), (57, 50), (60, 50), (54, 50), (45, 50))
    wrong = analysed(AnalyticsSettings(zones=(zone,)), back)[0]
    assert [e.time_s for e in wrong if e.kind is EventKind.WRONG_WAY] == [3.0]


def test_more_tracks_than_the_arrays_had_room_for() -> None:
    many = [tracks_at(*((n, x, 50) for n in range(1, 301))) for x in (40, 60)]
    _, analyser = analysed(AnalyticsSettings(lines=(DOOR,), zones=(YARD,)), many)
    assert analyser.counts.lines["door"].entered == {"person": 300}
    assert analyser.counts.zones["yard"].inside == {"person": 300}


def test_the_json_of_an_event() -> None:
    events, _ = analysed(AnalyticsSettings(lines=(DOOR,)), walked((40, 50), (60, 50)))
    crossed = next(e for e in events if e.kind is EventKind.LINE_CROSSED)
    assert crossed.to_json() == {
        **{"kind": "event", "event": "line_crossed", "line": "door", "direction": "in"},
        **{"id": 1, "class": "person", "time_s": 0.5},
    }


def test_the_first_zone_of_each_track_that_one_counts() -> None:
    people = Zone("people", YARD.polygon, classes=("person",))
    analyser = Analyser(AnalyticsSettings(zones=(people, YARD)), SIZE, NAMES)
    assert analyser.zones_of_tracks() == {}
    for time_s in range(3):
        analyser.update(tracks_at((1, 50, 50), (2, 60, 50, 1), (3, 150, 50)), float(time_s))
    assert analyser.zones_of_tracks() == {1: 0, 2: 1}
    assert Analyser(AnalyticsSettings(lines=(DOOR,)), SIZE, NAMES).zones_of_tracks() == {}


def test_a_track_that_leaves_and_changes_its_class_leaves_as_the_class_that_it_entered_as() -> None:
    # Across the border at 80 by x = 90, in the frame in which its class changes.
    frames = [tracks_at((1, x, 50, label)) for x, label in ((60, 0), (100, 1), (100, 1))]
    events, analyser = analysed(AnalyticsSettings(zones=(YARD,)), frames)
    assert [(e.how, e.class_name, e.time_s) for e in events if e.place] == [
        (How.APPEARED, "person", 0.0),
        (How.CROSSED, "person", 0.5),
    ]
    counts = analyser.counts.zones["yard"]
    assert (counts.entered, counts.left) == (
        {"person": {"appeared": 1}},
        {"person": {"crossed": 1}},
    )


def test_a_class_that_changes_before_an_exit_is_clear_counts_if_the_track_stays() -> None:
    # At 80.5 it is beyond the border by less than the hysteresis of 1 px.
    settings = AnalyticsSettings(zones=(YARD,), hysteresis=0.1)
    for last, expected in ((100, ["person", "person"]), (60, ["person", "person", "car", "car"])):
        frames = [tracks_at((1, x, 50, c)) for x, c in ((60, 0), (80.5, 0), (80.5, 1), (last, 1))]
        events, _ = analysed(settings, frames)
        assert [event.class_name for event in events if event.place] == expected
        times = [event.time_s for event in events if event.place]
        assert times == sorted(times)


def test_no_crossing_is_later_than_its_frame() -> None:
    """Rounding of the interpolated time led one unit beyond, and beyond the end of the visit."""
    before_s, now_s = 14.43, 110.96
    assert before_s + (now_s - before_s) > now_s
    zone = Zone("yard", ((100, 0), (200, 0), (200, 100), (100, 100)))
    analyser = Analyser(AnalyticsSettings(hysteresis=0.0, zones=(zone,)), SIZE, NAMES)
    events = list(analyser.update(tracks_at((1, 50, 50)), before_s))
    events += analyser.update(tracks_at((1, 100, 50)), now_s)
    events += analyser.finish()
    times_s = [event.time_s for event in events if event.place == "yard"]
    assert times_s == [now_s, now_s]
