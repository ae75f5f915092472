"""Conservation of counts: random tracks, zones and lines, and what must hold of their events."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from tests.analytics.clips import NAMES, boxed
from tracker.analytics.analyser import Analyser
from tracker.analytics.events import Direction, Event, EventKind, How, in_order
from tracker.analytics.settings import AnalyticsSettings, Calibration, Line, Zone
from tracker.errors import ConfigError

SIZE = (200, 100)


def counting_scene(rng: random.Random, data: bytes) -> bytes:
    """Returns frames of ids with boxes and classes, and random zones and lines."""
    frames: list[dict[str, Any]] = []
    walkers = [_walker(rng, number) for number in range(1, rng.choice((1, 2, 4, 12)) + 1)]
    time_s = 0.0
    for _ in range(rng.choice((2, 10, 60, 200))):
        time_s += rng.choice((0.04, 0.04, 0.04, 1.0, 0.0, 4.0))
        rows = []
        for one in walkers:
            one["x"] += one["vx"] + rng.gauss(0, one["noise"])
            one["y"] += one["vy"] + rng.gauss(0, one["noise"])
            if rng.random() < 0.03:
                one["vx"], one["vy"] = -one["vx"], rng.gauss(0, 2)
            if rng.random() < 0.02:
                one["class"] = 1 - one["class"]
            if rng.random() < 0.01:
                one["x"], one["y"] = rng.uniform(0, 200), rng.uniform(0, 100)
            one["hidden"] = max(one["hidden"] - 1, 0) or rng.choice((0,) * 30 + (3, 40))
            if not one["hidden"]:
                x, y, s = (round(v, one["digits"]) for v in (one["x"], one["y"], one["size"]))
                rows.append([one["id"], x, y, x + max(s, 1), y + max(s, 1) * 2, one["class"]])
        frames.append({"time_s": time_s, "rows": rows})
    zones = [[_point(rng) for _ in range(rng.choice((3, 4, 7)))] for _ in range(rng.choice((1, 3)))]
    lines = [[_point(rng) for _ in range(rng.choice((2, 2, 4)))] for _ in range(rng.choice((1, 2)))]
    settings = {
        "hysteresis": rng.choice((0.0, 0.1, 0.5)),
        "lost_after_s": rng.choice((0.5, 3.0, 100.0)),
        "inside_share": rng.choice((None, None, 0.5, 1.0, 0.01)),
        "limits": rng.random() < 0.3,
        "calibrated": rng.random() < 0.3,
    }
    return json.dumps({**settings, "zones": zones, "lines": lines, "frames": frames}).encode()


def _walker(rng: random.Random, number: int) -> dict[str, Any]:
    return {
        **{"id": number, "x": rng.uniform(0, 200), "y": rng.uniform(0, 100)},
        **{"vx": rng.gauss(0, 4), "vy": rng.gauss(0, 2), "noise": rng.choice((0, 0.3, 5))},
        **{"class": rng.randrange(2), "size": rng.choice((1, 10, 90)), "hidden": 0},
        "digits": rng.choice((0, 1, 6)),
    }


def _point(rng: random.Random) -> list[float]:
    digits = rng.choice((0, 3))
    return [round(rng.uniform(-20, 220), digits), round(rng.uniform(-20, 120), digits)]


def _settings(scene: dict[str, Any]) -> AnalyticsSettings:
    limits = {"dwell_s": 1.0, "loiter_s": 2.0, "stop_s": 0.5} if scene["limits"] else {}
    ground = Calibration(
        image=((0.0, 0.0), (200.0, 0.0), (200.0, 100.0), (0.0, 100.0)),
        ground=((0.0, 20.0), (20.0, 20.0), (15.0, 0.0), (5.0, 0.0)),
    )
    return AnalyticsSettings(
        hysteresis=scene["hysteresis"],
        lost_after_s=scene["lost_after_s"],
        zones=tuple(
            Zone(f"z{n}", tuple(map(tuple, points)), inside_share=scene["inside_share"], **limits)
            for n, points in enumerate(scene["zones"])
        ),
        lines=tuple(Line(f"l{n}", tuple(map(tuple, p))) for n, p in enumerate(scene["lines"])),
        calibration=ground if scene["calibrated"] else None,
    )


def use_counting(data: bytes, folder: Path) -> object:
    """Runs the analyser, and checks that nothing is lost and nothing counted twice."""
    scene = json.loads(data)
    try:
        settings = _settings(scene)
    except ConfigError:
        return "no zone"
    analyser = Analyser(settings, SIZE, NAMES)
    events: list[Event] = []
    for frame in scene["frames"]:
        rows = frame["rows"]
        boxes = np.array([row[1:5] for row in rows], np.float64).reshape(-1, 4)
        tracks = boxed([row[0] for row in rows], boxes, [row[5] for row in rows])
        found = analyser.update(tracks, frame["time_s"])
        assert list(found) == list(in_order(found))
        events += found
        for zone in analyser.counts.zones.values():
            assert all(count > 0 for count in zone.inside.values()), "a negative occupancy"
            assert zone.peak >= zone.occupancy
    events += analyser.finish()
    json.dumps(analyser.summary())
    for event in events:
        json.dumps(event.to_json(), allow_nan=False)
    _check_zones(events, analyser)
    _check_lines(events, analyser)
    _check_lives(events)
    return len(events).bit_length(), len({event.kind for event in events})


def _check_zones(events: list[Event], analyser: Analyser) -> None:
    for name, counts in analyser.counts.zones.items():
        own = [event for event in events if event.place == name]
        entered = Counter(e.class_name for e in own if e.kind is EventKind.ZONE_ENTERED)
        left = Counter(
            e.class_name
            for e in own
            if e.kind is EventKind.ZONE_LEFT and e.how is not How.RUN_ENDED
        )
        cut = Counter(e.class_name for e in own if e.how is How.RUN_ENDED)
        assert entered == left + cut, f"entries {entered}, exits {left}, cut {cut}"
        assert {n: sum(v.values()) for n, v in counts.entered.items()} == entered
        assert {n: sum(v.values()) for n, v in counts.left.items()} == left
        assert counts.inside == cut
        _check_turns(own)


def _check_turns(own: list[Event]) -> None:
    """Entries and exits of a track take turns, and no visit ends before it begins."""
    inside: dict[int, Event] = {}
    for event in own:
        if event.kind is EventKind.ZONE_ENTERED:
            assert event.track_id not in inside, "entered twice"
            inside[event.track_id] = event
        elif event.kind is EventKind.ZONE_LEFT:
            start = inside.pop(event.track_id)
            assert start.class_name == event.class_name
            assert event.time_s >= start.time_s
            assert event.dwell_s is not None
            assert event.dwell_s >= 0
    assert not inside


def _check_lines(events: list[Event], analyser: Analyser) -> None:
    for name, counts in analyser.counts.lines.items():
        own = [event for event in events if event.place == name]
        for direction, found in ((Direction.IN, counts.entered), (Direction.OUT, counts.left)):
            expected = Counter(e.class_name for e in own if e.direction is direction)
            assert Counter(found) == expected


def _check_lives(events: list[Event]) -> None:
    """Each track starts, then ends, and has no event outside."""
    begun: Counter[int] = Counter()
    for event in events:
        if event.kind is EventKind.TRACK_STARTED:
            begun[event.track_id] += 1
            assert begun[event.track_id] == 1, "started twice"
        assert begun[event.track_id] == 1, f"{event.kind} before the start"
        if event.kind is EventKind.TRACK_ENDED:
            begun[event.track_id] -= 1
    assert not +begun
