"""The parts of the server by themselves: gate, ring, meters, lives, pictures."""

import asyncio
import dataclasses
import threading
import time
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from tests.serve.servers import until
from tracker.analytics.events import Event, EventKind
from tracker.analytics.settings import AnalyticsSettings
from tracker.detections import Detections
from tracker.frames import Frame, VideoInfo
from tracker.serve.broadcast import Broadcast
from tracker.serve.gate import Gate, GatedSource
from tracker.serve.hub import Hub
from tracker.serve.lives import MOST_CROPS, MOST_TRACKS, TRAIL_POINTS, Crops, Lives
from tracker.serve.meters import BOUNDS_S, SECONDS, Meters
from tracker.serve.pictures import Encoding, Kind, Picture, Pictures
from tracker.serve.ring import EventRing
from tracker.sinks.draw_style import DrawStyle
from tracker.testing import ScriptedSource
from tracker.tracks import RunInfo, TrackedFrame, Tracks

INFO = VideoInfo("in.mp4", 64, 48, Fraction(25), Fraction(1, 25))


def result(
    index: int, ids: list[int], *, latency_s: float | None = None, dropped: int = 0
) -> TrackedFrame:
    """A frame with one box for each id, matched to a detection of class 1."""
    count = len(ids)
    boxes = np.tile([[8, 8, 24, 40]], (count, 1)).astype(np.float32)
    image = np.random.default_rng(index).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    tracks = Tracks(
        ids=np.array(ids, np.int64),
        boxes=boxes,
        velocities=np.tile([[3.0, 4.0]], (count, 1)).astype(np.float32),
        scores=np.full(count, 0.9, np.float32),
        classes=np.zeros(count, np.int32),
        class_scores=np.ones(count, np.float32),
        states=np.ones(count, np.uint8),
        ages=np.ones(count, np.int32),
        misses=np.zeros(count, np.int32),
        detection_index=np.arange(count, dtype=np.int32),
    )
    found = Detections.create(boxes, np.full(count, 0.9), np.ones(count, np.int32))
    run = RunInfo(INFO, ("person", "car"))
    frame = Frame(image, index, index / 25, "in.mp4")
    timings = {"infer": 0.03}
    return TrackedFrame(frame, found, tracks, timings, run, dropped, count, age_s=latency_s)


def test_a_gate_holds_a_recording_back_until_it_is_opened() -> None:
    gate = Gate()
    gate.pause()
    source = GatedSource(ScriptedSource(5), gate, paced=False)
    seen: list[int] = []
    reader = threading.Thread(target=lambda: seen.extend(f.index for f in source))
    reader.start()
    time.sleep(0.1)
    assert seen == []
    gate.resume()
    reader.join(5)
    assert seen == [0, 1, 2, 3, 4]


def test_a_closed_gate_drops_the_frames_of_a_live_source() -> None:
    gate = Gate()
    pause_at = {2: gate.pause, 4: gate.resume}
    live = ScriptedSource(6, live=True, before_frame=lambda n: pause_at.get(n, lambda: None)())
    source = GatedSource(live, gate, paced=True)
    assert [frame.index for frame in source] == [0, 1, 4, 5]


def test_closing_ends_the_wait_of_a_paused_source() -> None:
    gate = Gate()
    gate.pause()
    source = GatedSource(ScriptedSource(5), gate, paced=True)
    reader = threading.Thread(target=lambda: list(source))
    reader.start()
    source.close()
    reader.join(5)
    assert not reader.is_alive()


def test_a_paced_recording_takes_its_time_and_is_live() -> None:
    source = GatedSource(ScriptedSource(6, fps=Fraction(20)), Gate(), paced=True)
    begin = time.monotonic()
    frames = list(source)
    assert time.monotonic() - begin >= 0.25
    assert source.info.is_live
    due = [frame.captured_s for frame in frames]
    assert np.diff(np.array(due, float)) == pytest.approx(np.full(5, 0.05), abs=1e-6)


def test_a_reader_that_is_too_slow_moves_the_schedule() -> None:
    """Otherwise all later frames would be late, and their latency would be that of the first."""
    slow = ScriptedSource(4, fps=Fraction(20), before_frame=lambda n: time.sleep(0.7 * (n == 1)))
    frames = list(GatedSource(slow, Gate(), paced=True))
    due = np.array([frame.captured_s for frame in frames], float)
    assert due[1] - due[0] > 0.6
    assert due[3] - due[1] == pytest.approx(0.1, abs=1e-6)


def test_the_ring_keeps_the_last_events_and_their_numbers() -> None:
    ring = EventRing(capacity=3)
    assert ring.after(0) == []
    ring.add(Event(EventKind.TRACK_STARTED, n / 10, n, "car") for n in range(1, 6))
    assert [(number, event["id"]) for number, event in ring.after(0)] == [(3, 3), (4, 4), (5, 5)]
    assert [number for number, _ in ring.after(4)] == [5]
    assert ring.after(5) == []
    assert len(ring.after(99)) == 3  # numbers of an earlier server
    assert ring.by_kind == {"track_started": 5}
    assert ring.last == 5


def test_meters_count_and_never_fall() -> None:
    meters = Meters()
    for index, latency in enumerate((0.005, 0.015, 0.3, 9.0)):
        meters.add(result(index, [], latency_s=latency, dropped=index))
    meters.tick(2, {"yard": 1})
    meters.begin()
    meters.add(result(0, [], dropped=1))  # without a latency: its timings
    totals = meters.totals()
    assert (totals.frames, totals.dropped) == (5, 4)
    bins = dict(zip([*BOUNDS_S, float("inf")], totals.latencies, strict=True))
    assert {bound: n for bound, n in bins.items() if n} == {
        0.01: 1,
        0.02: 1,
        0.05: 1,
        0.4: 1,
        float("inf"): 1,
    }
    assert totals.latency_sum_s == pytest.approx(0.005 + 0.015 + 0.3 + 9 + 0.03)
    assert meters.latency_ms() == {"p50": 30.0, "p95": 300.0}


def test_charts_have_a_point_a_second_for_five_minutes() -> None:
    meters = Meters()
    meters.add(result(0, [], latency_s=0.25))
    meters.add(result(1, [], latency_s=0.5))
    meters.tick(3, {"yard": 2})
    meters.tick(3, {"gate": 1})
    charts = meters.charts(["gate"])
    assert charts["fps"] == [2, 0]
    assert charts["latency_ms"] == [500.0, None]
    assert charts["tracks"] == [3, 3]
    assert charts["occupancy"] == {"gate": [0, 1]}
    for _ in range(SECONDS + 5):
        meters.tick(0, {})
    assert len(meters.charts([])["times"]) == SECONDS


def test_lives_of_tracks_are_bounded() -> None:
    lives = Lives()
    for index in range(TRAIL_POINTS + 10):
        firsts = lives.update(result(index, [7]))
    assert firsts == {7: 0.0}
    life = lives.get(7)
    assert life is not None
    assert life["votes"] == {"car": 1.0}  # of its detections; the track itself is a person
    assert life["class"] == "person"
    assert len(life["trail"]) == TRAIL_POINTS
    assert life["trail"][-1] == [16.0, 40.0, round((TRAIL_POINTS + 9) / 25, 3)]
    for index in range(MOST_TRACKS + 20):
        lives.update(result(index, [100 + index]))
    assert lives.get(7) is None
    assert lives.get(100 + MOST_TRACKS) is not None
    lives.clear()
    assert lives.get(100 + MOST_TRACKS) is None


def test_crops_are_bounded_and_only_better_ones_replace() -> None:
    crops = Crops()
    crops.update(result(0, [1]))
    first = crops.get(1)
    assert first is not None
    crops.update(result(0, [1]))
    assert crops.get(1) is first
    for number in range(2, MOST_CROPS + 3):
        crops.update(result(0, [number]))
    assert crops.get(1) is None
    assert crops.get(MOST_CROPS + 2) is not None


def test_encoding_reduces_large_images() -> None:
    from tests.serve.servers import decoded

    content = Encoding(quality=80, side=32).encoded(np.zeros((48, 64, 3), np.uint8))
    assert decoded(content).shape == (24, 32, 3)


def test_pictures_are_made_only_for_viewers_and_once() -> None:
    made: Counter[Kind] = Counter()
    always: list[int] = []

    def make(kind: Kind) -> Picture:
        made[kind] += 1
        return Picture(made[kind], 0, "", b"jpeg")

    pictures = Pictures(make, always=lambda: always.append(1))
    pictures.refresh()
    until(lambda: always, bool)
    assert made == {}
    with pictures.viewer(Kind.CLEAN), pictures.viewer(Kind.CLEAN):
        until(lambda: pictures.newest(Kind.CLEAN), lambda picture: picture is not None)
        before = made[Kind.CLEAN]
        pictures.refresh()
        until(lambda: made[Kind.CLEAN], lambda count: count == before + 1)
        assert pictures.viewers == 2
        assert Kind.ANNOTATED not in made
    assert pictures.newest(Kind.CLEAN) is None
    pictures.close()


def test_a_frame_that_cannot_be_drawn_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter([ValueError("broken"), None])

    def make(kind: Kind) -> Picture:
        error = next(answers, None)
        if error is not None:
            raise error
        return Picture(1, 0, "", b"jpeg")

    pictures = Pictures(make, always=lambda: None)
    with pictures.viewer(Kind.CLEAN):
        until(lambda: caplog.text, lambda text: "could not be encoded" in text)
        pictures.refresh()
        until(lambda: pictures.newest(Kind.CLEAN), lambda picture: picture is not None)
    pictures.close()


def test_publishing_never_waits_for_an_encoder_that_is_stuck() -> None:
    """The pipeline's side of a viewer that takes nothing."""
    release = threading.Event()

    def make(kind: Kind) -> Picture:
        release.wait(20)
        return Picture(1, 0, "", b"jpeg")

    pictures = Pictures(make, always=lambda: None)
    with pictures.viewer(Kind.CLEAN):
        for _ in range(1000):
            pictures.refresh()
        assert pictures.newest(Kind.CLEAN) is None
        release.set()
    pictures.close()


def test_a_broadcast_wakes_clients_from_other_threads() -> None:
    broadcast = Broadcast()

    async def client() -> bool:
        with broadcast.joined() as changed:
            threading.Thread(target=broadcast.notify).start()
            return await asyncio.wait_for(changed.wait(), 10)

    assert asyncio.run(client())
    broadcast.notify()  # Nobody is left.


def test_hub_bounds_hold_over_many_frames() -> None:
    """Memory is that of the newest frame, whatever the number of frames."""
    zones = AnalyticsSettings()
    hub = Hub(zones, style=DrawStyle(), encoding=Encoding())
    for index in range(1300):
        hub.publish(result(index, [index + 1, index + 2]))
    assert hub.snapshot is not None
    assert hub.snapshot.number == 1300
    assert hub.lives.get(1) is None
    assert hub.lives.get(1300) is not None
    assert [track["speed"] for track in hub.snapshot.tracks] == [5.0, 5.0]
    hub.begin()
    assert hub.lives.get(1300) is None
    assert hub.meters.totals().frames == 1300
    hub.close()


def test_a_snapshot_without_viewers_is_encoded_when_asked_for() -> None:
    hub = Hub(AnalyticsSettings(), style=DrawStyle(), encoding=Encoding())
    assert hub.jpeg(Kind.CLEAN) is None
    hub.publish(dataclasses.replace(result(0, [1])))
    assert hub.jpeg(Kind.CLEAN) != hub.jpeg(Kind.ANNOTATED)
    assert hub.pictures.encodes == 0
    hub.close()
