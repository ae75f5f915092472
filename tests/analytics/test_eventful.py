"""Frames without events are skipped, and nothing else changes."""

from typing import Any

import numpy as np
import pytest

from tracker.analytics.analyser import Analyser
from tracker.analytics.eventful import DetectorFrames, eventful_frames
from tracker.analytics.events import Event
from tracker.analytics.recorded import analyse_recording, recorded_frames
from tracker.analytics.settings import AnalyticsSettings, Anchor, Line, Zone
from tracker.track_files.json_file import Header, Recording, recording_of

ZONES = (
    Zone("yard", ((20.0, 20.0), (80.0, 20.0), (80.0, 80.0), (20.0, 80.0)), dwell_s=0.7, loiter_s=1),
    Zone("thin", ((0.0, 48.0), (100.0, 48.0), (100.0, 52.0), (0.0, 52.0)), classes=("car",)),
    Zone("half", ((50.0, 0.0), (100.0, 0.0), (100.0, 100.0), (50.0, 100.0)), inside_share=0.5),
)
LINES = (
    Line("door", ((50.0, 100.0), (50.0, 0.0))),
    Line("bend", ((0.0, 30.0), (60.0, 30.0), (60.0, 100.0)), anchor=Anchor.CENTER),
)
SETTINGS = AnalyticsSettings(
    zones=ZONES, lines=LINES, anchors={"car": Anchor.TOP}, lost_after_s=0.5
)


def walks(seed: int, *, speed: float, frames: int = 250) -> Recording:
    """Returns random walks with gaps, lost boxes, changes of class and coasted frames."""
    random = np.random.default_rng(seed)
    places = random.uniform(0, 100, (6, 2))
    records: list[tuple[str, Any]] = []
    ids = np.arange(1, 7)
    for number in range(frames):
        places += random.normal(0, speed, places.shape)
        places = np.clip(places, -5, 105)
        tracks = []
        for row in range(len(ids)):
            if random.random() < 0.002:
                ids[row] = ids.max() + 1
            if (number // 20 + row) % 7 == 0 or random.random() < 0.05:
                continue
            x, y = np.round(places[row], int(random.integers(0, 3))).tolist()
            name = "car" if random.random() < 0.02 + 0.3 * (row == 3) else "person"
            state = "lost" if random.random() < 0.05 else "confirmed"
            box = [x - 4, y - 20, x + 4, y]
            tracks.append(
                {"id": int(ids[row]), "class": name, "score": 1, "box": box, "state": state}
            )
        frame = {"kind": "frame", "frame": number, "time_s": number * 0.04, "tracks": tracks}
        records.append(("", frame | ({"coasted": True} if number % 11 == 5 else {})))
    header = Header(width=100, height=100, fps=25.0, class_names=("person", "car"))
    return recording_of(header, records, path="walks")


def each_frame(recording: Recording, settings: AnalyticsSettings) -> tuple[list[Event], Analyser]:
    """Returns what `analyse_recording` does, by showing the analyser every frame."""
    analyser = Analyser(settings, (100, 100), recording.tracks.class_names)
    events: list[Event] = []
    for tracks, time_s in recorded_frames(recording):
        events += analyser.update(tracks, time_s)
    return [*events, *analyser.finish()], analyser


@pytest.mark.parametrize("speed", [0.05, 0.4, 3.0])
@pytest.mark.parametrize("seed", range(3))
def test_events_and_counts_are_those_of_every_frame(seed: int, speed: float) -> None:
    recording = walks(seed, speed=speed)
    for settings in (
        SETTINGS,
        AnalyticsSettings(lines=LINES),
        AnalyticsSettings(zones=ZONES[:1], hysteresis=0.0),
    ):
        events, analyser = analyse_recording(recording, settings)
        expected, plain = each_frame(recording, settings)
        assert events == expected
        assert analyser.summary() == plain.summary()


def test_most_frames_are_skipped() -> None:
    # One object that goes from left to right through the door; the detector ran on every frame.
    tracks = [
        {"id": 1, "class": "person", "score": 1, "box": [x - 4, 40, x + 4, 60]}
        for x in np.linspace(0, 100, 500).tolist()
    ]
    records = [
        ("", {"kind": "frame", "frame": n, "time_s": n * 0.04, "tracks": [one]})
        for n, one in enumerate(tracks)
    ]
    recording = recording_of(Header(class_names=("person",)), records, path="a")
    analyser = Analyser(AnalyticsSettings(lines=LINES[:1]), (100, 100), ["person"])
    rows = np.arange(500)
    frames = DetectorFrames(rows, rows + 1, tuple((rows * 0.04).tolist()))
    shown = []
    each = list(recorded_frames(recording))
    for number in eventful_frames(recording.tracks, frames, analyser):
        shown.append(number)
        analyser.update(*each[number])
    assert len(shown) < 10
    assert analyser.counts.lines["door"].entered == {"person": 1}


def test_times_that_go_back_skip_nothing() -> None:
    recording = walks(1, speed=1, frames=10)
    analyser = Analyser(SETTINGS, (100, 100), ["person", "car"])
    rows = np.zeros(3, np.intp)
    frames = DetectorFrames(rows, rows, (0.0, 2.0, 1.0))
    assert list(eventful_frames(recording.tracks, frames, analyser)) == [0, 1, 2]
