"""Results some frames late."""

import threading

import numpy as np
import pytest

from tracker.detections import Detections
from tracker.errors import DataError
from tracker.pipeline.frame_loop import SourceEnd, SourceResult
from tracker.pipeline.multi import MultiPipeline, StageFactories
from tracker.pipeline.single import Pipeline
from tracker.testing import ScriptedDetector, ScriptedSource
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.settings import DeepSortSettings
from tracker.tracks import TrackState

SEEN = [0, 1, 2, 3, 6, 7, 8]
FRAMES = 10


def walker(frame: object) -> Detections:
    index = frame.index  # type: ignore[attr-defined]
    x = 10.0 + 2 * index
    return Detections.create([[x, 10, x + 20, 50]], [0.9]) if index in SEEN else Detections.empty()


def late(frames: int) -> DeepSort:
    return DeepSort(DeepSortSettings(lag_frames=frames))


def test_a_gap_is_filled_and_every_frame_comes_once_in_order() -> None:
    usual = list(
        Pipeline(detector=ScriptedDetector(walker), tracker=late(0)).run(ScriptedSource(FRAMES))
    )
    filled = list(
        Pipeline(detector=ScriptedDetector(walker), tracker=late(4)).run(ScriptedSource(FRAMES))
    )
    assert [r.frame.index for r in filled] == list(range(FRAMES))
    assert [len(r.tracks) for r in usual] == [0, 1, 1, 1, 0, 0, 1, 1, 1, 0]
    assert [len(r.tracks) for r in filled] == [0, 1, 1, 1, 1, 1, 1, 1, 1, 0]
    for result in filled[4:6]:
        assert result.tracks.states.tolist() == [TrackState.LOST]
        np.testing.assert_allclose(result.tracks.boxes[0, 0], 10 + 2 * result.frame.index, atol=1)
    for one, other in zip(usual, filled, strict=True):
        if len(one.tracks):
            # What the tracker has not yet learnt of the speed, smoothing knows.
            np.testing.assert_allclose(one.tracks.boxes, other.tracks.boxes, atol=0.05)


def test_a_lag_longer_than_the_source_delays_all_to_its_end() -> None:
    pipeline = Pipeline(detector=ScriptedDetector(walker), tracker=late(50))
    assert [r.frame.index for r in pipeline.run(ScriptedSource(FRAMES))] == list(range(FRAMES))


def test_each_of_several_sources_is_late_by_itself() -> None:
    factories = StageFactories(detector=lambda: ScriptedDetector(walker), tracker=lambda: late(3))
    counts: dict[int, list[int]] = {0: [], 1: []}
    for event in MultiPipeline(factories).run([ScriptedSource(FRAMES), ScriptedSource(7)]):
        if isinstance(event, SourceResult):
            counts[event.index].append(event.result.frame.index)
    assert counts == {0: list(range(FRAMES)), 1: list(range(7))}


def test_stop_yields_the_results_that_are_held_back() -> None:
    stop, indices = threading.Event(), []
    pipeline = Pipeline(detector=ScriptedDetector(walker), tracker=late(4))
    for result in pipeline.run(ScriptedSource(1000), stop=stop):
        indices.append(result.frame.index)
        if len(indices) == 3:
            stop.set()
    assert indices == list(range(7))  # three were late by four


def test_each_of_several_sources_yields_what_is_held_back_after_stop() -> None:
    stop = threading.Event()
    factories = StageFactories(detector=lambda: ScriptedDetector(walker), tracker=lambda: late(4))
    indices: dict[int, list[int]] = {0: [], 1: []}
    for event in MultiPipeline(factories).run([ScriptedSource(1000), ScriptedSource(2)], stop=stop):
        assert isinstance(event, SourceResult | SourceEnd)
        if isinstance(event, SourceResult):
            indices[event.index].append(event.result.frame.index)
            if event.index == 0:
                stop.set()
    assert indices[0] == list(range(5))
    assert indices[1] == list(range(len(indices[1])))


def test_an_error_comes_after_the_results_that_are_held_back() -> None:
    def broken(frame: object) -> Detections:
        if frame.index == 6:  # type: ignore[attr-defined]
            raise DataError("no boxes")
        return walker(frame)

    results = Pipeline(detector=ScriptedDetector(broken), tracker=late(4)).run(ScriptedSource(99))
    assert [next(results).frame.index for _ in range(6)] == list(range(6))
    with pytest.raises(DataError, match="no boxes"):
        next(results)
