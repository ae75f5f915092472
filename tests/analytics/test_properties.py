"""Generated paths: exactness of counts against independent forms of the same rules."""

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analytics.clips import analysed, tracks_at
from tracker.analytics.events import Event, EventKind
from tracker.analytics.settings import AnalyticsSettings, Line, Zone

# Whole numbers: many paths pass through corners and run along edges.
coordinate = st.integers(0, 12)
point = st.tuples(coordinate, coordinate)
place = st.one_of(st.none(), point)
paths = st.lists(st.lists(place, min_size=1, max_size=9), min_size=1, max_size=4)
labels = st.lists(st.integers(0, 1), min_size=9, max_size=9)

Points = list[tuple[int, int] | None]


def polygon_of(corners: list[tuple[int, int]]) -> tuple[tuple[float, float], ...]:
    """Corners in the order of their angle around the middle: a polygon that does not cross."""
    middle = np.mean(corners, axis=0)
    turn = sorted(set(corners), key=lambda c: (np.arctan2(c[1] - middle[1], c[0] - middle[0]), c))
    return tuple((float(x), float(y)) for x, y in turn)


def area(polygon: tuple[tuple[float, float], ...]) -> float:
    following = [*polygon[1:], polygon[0]]
    return sum(a[0] * b[1] - a[1] * b[0] for a, b in zip(polygon, following, strict=True)) / 2


polygons = (
    st.lists(point, min_size=3, max_size=7).map(polygon_of).filter(lambda p: abs(area(p)) >= 1)
)


def frames_of(paths: list[Points], classes: list[int]) -> list[object]:
    length = max(len(path) for path in paths)
    return [
        tracks_at(
            *(
                (n, *path[k], classes[k])
                for n, path in enumerate(paths, start=1)
                if k < len(path) and path[k] is not None
            )
        )
        for k in range(length)
    ]


def is_inside(x: int, y: int, polygon: tuple[tuple[float, float], ...]) -> bool:
    """Even-odd rule in fractions, with the half-open convention for borders."""
    odd = False
    for (ax, ay), (bx, by) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (ay <= y) != (by <= y):
            odd ^= x < Fraction(ax) + Fraction(y - ay) * Fraction(bx - ax) / Fraction(by - ay)
    return odd


def places_of(path: Points) -> list[tuple[int, int]]:
    return [p for p in path if p is not None]


@settings(max_examples=150, deadline=None)
@given(paths, labels, polygons, st.sampled_from([0.0, 0.1, 0.4]))
def test_entries_minus_exits_are_the_occupancy(paths, classes, polygon, hysteresis) -> None:
    rules = AnalyticsSettings(
        zones=(Zone("z", polygon),), hysteresis=hysteresis, lost_after_s=100.0, units="pixels",
        size=(200, 100),
    )  # fmt: skip
    events, analyser = analysed(rules, frames_of(paths, classes))
    counts = analyser.counts.zones["z"]
    totals = {
        name: sum(counts.entered.get(name, {}).values()) - sum(counts.left.get(name, {}).values())
        for name in ("person", "car")
    }
    assert {name: n for name, n in totals.items() if n} == counts.inside
    ended = sum(e.how == "run_ended" for e in events)
    assert ended == counts.occupancy
    if hysteresis == 0:
        last = [places[-1] for path in paths if (places := places_of(path))]
        assert counts.occupancy == sum(is_inside(*p, polygon) for p in last)


def signed_crossings(path: list[tuple[int, int]], ends: tuple[tuple[float, float], ...]) -> int:
    """Net crossings of a straight line through both ends: the change of side."""
    (ax, ay), (bx, by) = ends

    def side(p: tuple[int, int]) -> bool:
        return (bx - ax) * (p[1] - ay) - (by - ay) * (p[0] - ax) > 0

    return int(side(path[-1])) - int(side(path[0]))


@settings(max_examples=150, deadline=None)
@given(paths, labels, point, point, st.sampled_from([0.0, 0.1, 0.4]))
def test_ins_minus_outs_are_the_change_of_side(paths, classes, start, end, hysteresis) -> None:
    if start == end:
        end = (start[0] + 1, start[1])
    a, b = np.array(start, float), np.array(end, float)
    far = (tuple(a - 100 * (b - a)), tuple(b + 100 * (b - a)))
    # A joint in the middle, on which paths may pass, belongs to one of both pieces.
    line = Line("l", (far[0], tuple((a + b) / 2), far[1]))
    rules = AnalyticsSettings(lines=(line,), hysteresis=hysteresis, lost_after_s=100.0)
    _, analyser = analysed(rules, frames_of(paths, classes))
    counts = analyser.counts.lines["l"]
    net = sum(counts.entered.values()) - sum(counts.left.values())
    seen = [places for path in paths if (places := places_of(path))]
    assert net == sum(signed_crossings(places, far) for places in seen)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-0.9, 0.9), max_size=12), st.booleans())
def test_jitter_within_the_hysteresis_crosses_once(offsets, turns_back) -> None:
    line = Line("l", ((50.0, 100.0), (50.0, 0.0)))
    xs = [40.0, *(50.0 + offset for offset in offsets), 40.0 if turns_back else 60.0]
    frames = [tracks_at((1, x, 50)) for x in xs]
    events, _ = analysed(AnalyticsSettings(lines=(line,)), frames)
    crossed = [e for e in events if e.kind is EventKind.LINE_CROSSED]
    assert len(crossed) == (0 if turns_back else 1)


def position_at(path: Points, time_s: float) -> np.ndarray:
    known = [(k, p) for k, p in enumerate(path) if p is not None]
    times = [k for k, _ in known]
    return np.array(
        [np.interp(time_s, times, [p[axis] for _, p in known]) for axis in (0, 1)], float
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(place, min_size=2, max_size=9), polygons)
def test_a_border_is_crossed_at_a_time_when_the_path_is_on_it(path, polygon) -> None:
    rules = AnalyticsSettings(
        zones=(Zone("z", polygon),), hysteresis=0.0, lost_after_s=100.0, size=(200, 100)
    )
    events, _ = analysed(rules, frames_of([path], [0] * 9))
    edges = list(zip(polygon, [*polygon[1:], polygon[0]], strict=True))
    for event in events:
        if event.how != "crossed":
            continue
        p = position_at(path, event.time_s)
        gaps = []
        for a, b in ((np.array(a), np.array(b)) for a, b in edges):
            share = np.clip((p - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
            gaps.append(np.linalg.norm(p - a - share * (b - a)))
        assert min(gaps) < 1e-6


def of_track(events: list[Event], track_id: int) -> list[Event]:
    return [event for event in events if event.track_id == track_id]


@settings(max_examples=60, deadline=None)
@given(paths, labels, polygons, point, point)
def test_tracks_do_not_influence_each_other(paths, classes, polygon, start, end) -> None:
    rules = AnalyticsSettings(
        zones=(Zone("z", polygon),), lines=(Line("l", (start, (end[0] + 13.0, end[1]))),),
        lost_after_s=2.0,
    )  # fmt: skip
    together, _ = analysed(rules, frames_of(paths, classes))
    for n in range(1, len(paths) + 1):
        alone = [path if k == n else [None] * len(path) for k, path in enumerate(paths, start=1)]
        assert of_track(together, n) == of_track(analysed(rules, frames_of(alone, classes))[0], n)
