"""A row of zeros is an unknown appearance: such objects are tracked by motion."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from tests.tracking.staged import staged
from tracker.detection.replay import ReplayDetector
from tracker.detections import Detections
from tracker.frames import Frame
from tracker.pipeline.single import Pipeline
from tracker.sinks.json_lines import JsonLinesSink
from tracker.sinks.json_records import Embeddings
from tracker.testing import ScriptedDetector, ScriptedSource
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.settings import DeepSortSettings, MotionCost, Report
from tracker.tracks import Tracks

RED, BLUE, UNKNOWN = [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]
NAN = [np.nan, 1.0]


def box(x: float, y: float = 0.0) -> list[float]:
    return [x, y, x + 20, y + 40]


def seen(x: float, look: list[float], y: float = 0.0) -> Detections:
    return Detections.create([box(x, y)], [0.9], None, [look])


def run(steps: list[Detections], settings: DeepSortSettings | None = None) -> list[Tracks]:
    deepsort = DeepSort(settings)
    return [deepsort.step(found) for found in steps]


def walkers(frames: int, seed: int, width: int) -> list[Detections]:
    """Six walking objects with occasional missed detections, without embeddings or with zeros."""
    random = np.random.default_rng(seed)
    place, speed = random.uniform(0, 300, (6, 2)), random.normal(0, 3, (6, 2))
    steps = []
    for _ in range(frames):
        place += speed
        there = random.random(6) > 0.2
        boxes = np.hstack([place, place + np.array([20, 40])])[there]
        steps.append(Detections.create(boxes, random.uniform(0.5, 1, there.sum()), None,
                                       np.zeros((there.sum(), width))))  # fmt: skip
    return steps


@pytest.mark.parametrize("cost", MotionCost)
def test_zeros_throughout_equal_no_embeddings(cost: MotionCost) -> None:
    settings = staged(motion_cost=cost, report=Report.ALL)
    for seed in range(3):
        zeros, none = (run(walkers(60, seed, width), settings) for width in (4, 0))
        assert max(tracks.ids.max() for tracks in none if len(tracks)) >= 6
        for got, expected in zip(zeros, none, strict=True):
            assert got.ids.tolist() == expected.ids.tolist()
            np.testing.assert_array_equal(got.boxes, expected.boxes)


@pytest.mark.parametrize("unknown", [UNKNOWN, NAN])
def test_an_unknown_object_starts_a_track_and_keeps_its_id_once_it_is_known(
    unknown: list[float],
) -> None:
    looks = [unknown] * 4 + [RED] * 3 + [unknown] * 3 + [RED] * 2
    tracks = run([seen(2.0 * i, look) for i, look in enumerate(looks)])
    assert [t.ids.tolist() for t in tracks] == [[]] + [[1]] * 11


def test_an_unknown_detection_continues_a_lost_track_of_known_appearance() -> None:
    nothing = Detections.empty(2)
    steps = [seen(0, RED)] * 4 + [nothing] * 3 + [seen(1, UNKNOWN)]
    assert run(steps)[-1].ids.tolist() == [1]
    # A different appearance is another object: it starts a tentative track of its own.
    assert run([*steps[:-1], seen(1, BLUE)])[-1].ids.tolist() == []


def test_known_and_unknown_objects_in_one_frame() -> None:
    def both(i: int) -> Detections:
        return Detections.create([box(2 * i), box(300 - 2 * i)], [0.9, 0.8], None, [RED, UNKNOWN])

    tracks = run([both(i) for i in range(8)])
    assert [t.ids.tolist() for t in tracks[2:]] == [[1, 2]] * 6
    np.testing.assert_allclose(tracks[-1].boxes[:, 0], [14, 286], atol=1)


def test_appearance_goes_before_motion_for_a_contested_detection() -> None:
    # Track 1 (red) and track 2 (never known) stand almost in one place; the red box is track 1's,
    # the unknown one goes to track 2, whichever overlaps more.
    apart = Detections.create([box(0), box(8)], [0.9, 0.8], None, [RED, UNKNOWN])
    crossed = Detections.create([box(7), box(1)], [0.9, 0.8], None, [RED, UNKNOWN])
    last = run([apart] * 5 + [crossed])[-1]
    assert last.ids.tolist() == [1, 2]
    assert last.detection_index.tolist() == [0, 1]


def test_an_unknown_appearance_never_enters_a_gallery() -> None:
    deepsort = DeepSort(staged())
    for _ in range(5):
        deepsort.step(seen(0, UNKNOWN))
    assert deepsort.gallery_nbytes == 0


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("length", [1e-3, 10.0, 300.0])
def test_the_length_of_embeddings_changes_nothing(dtype: str, length: float) -> None:
    """An embedder without normalisation, run through the pipeline."""
    looks = np.random.default_rng(0).normal(size=(3, 8))
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)

    class Scaled:
        digests: Mapping[str, str] = MappingProxyType({})

        def __init__(self, factor: float) -> None:
            self._looks = (looks * factor).astype(dtype)

        def embed(self, frame: Frame, detections: Detections) -> Detections:
            order = np.argsort(detections.boxes[:, 1], kind="stable").argsort()
            return detections.with_embeddings(self._looks[order])  # type: ignore[arg-type]

    def crossing(frame: Frame) -> Detections:
        x = 2.0 * frame.index
        boxes = [box(x, 0), box(60 - x, 2), box(30, 4)]
        return Detections.create(boxes, [0.9, 0.8, 0.7])

    def ids(factor: float) -> list[list[tuple[int, int]]]:
        pipeline = Pipeline(
            detector=ScriptedDetector(crossing), embedder=Scaled(factor), tracker=DeepSort(staged())
        )
        results = pipeline.run(ScriptedSource(30))
        pairs = [(r.tracks.ids.tolist(), r.tracks.detection_index.tolist()) for r in results]
        return [list(zip(*pair, strict=True)) for pair in pairs]

    assert ids(length) == ids(1.0)
    assert ids(length)[-1] == [(1, 0), (2, 1), (3, 2)]


@pytest.mark.parametrize("known", [True, False])
def test_zeros_of_an_embedder_are_tracked(known: bool) -> None:
    """An embedder that returns zeros, run through the pipeline."""

    class Blind:
        digests: Mapping[str, str] = MappingProxyType({})

        def embed(self, frame: Frame, detections: Detections) -> Detections:
            vectors = np.zeros((len(detections), 4), np.float32)
            vectors[:, 0] = known and frame.index % 2
            return detections.with_embeddings(vectors)

    detector = ScriptedDetector(lambda frame: Detections.create([box(frame.index)], [0.9]))
    pipeline = Pipeline(detector=detector, embedder=Blind(), tracker=DeepSort(staged()))
    assert [r.tracks.ids.tolist() for r in pipeline.run(ScriptedSource(8))][2:] == [[1]] * 6


def test_an_unknown_row_is_written_without_embedding_and_read_back_as_unknown(
    tmp_path: Path,
) -> None:
    """From detections through tracks and JSON to detections again, and to the same tracks."""

    def mixed(frame: Frame) -> Detections:
        x = 2.0 * frame.index
        looks = [RED, UNKNOWN if frame.index % 3 else BLUE]
        return Detections.create([box(x), box(x, 200)], [0.9, 0.8], None, looks)

    def run_to(path: Path, detector: object, count: int = 9) -> list[list[int]]:
        pipeline = Pipeline(detector=detector, tracker=DeepSort(staged(confirm_hits=1)))
        with JsonLinesSink(path, embeddings=Embeddings.INCLUDE) as sink:
            ids = []
            for result in pipeline.run(ScriptedSource(count)):
                sink.write(result)
                ids.append(result.tracks.ids.tolist())
        return ids

    first = run_to(tmp_path / "a.jsonl", ScriptedDetector(mixed))
    records = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    has = [["embedding" in track for track in record["tracks"]] for record in records[1:-1]]
    assert has[:4] == [[True, True], [True, False], [True, False], [True, True]]
    assert run_to(tmp_path / "b.jsonl", ReplayDetector(str(tmp_path / "a.jsonl"))) == first
    assert first == [[1, 2]] * 9
