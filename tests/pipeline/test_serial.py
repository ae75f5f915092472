"""Stages that several threads share: one call at a time, and the same results."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tests.fakes import one_walker
from tracker.detections import Detections
from tracker.frames import Frame
from tracker.pipeline.frame_loop import SourceResult
from tracker.pipeline.multi import MultiPipeline, StageFactories
from tracker.pipeline.serial import one_call_at_a_time
from tracker.testing import ScriptedDetector, ScriptedSource
from tracker.tracking.deepsort import DeepSort


class Exclusive(ScriptedDetector):
    """A detector that must not be called by two threads at once."""

    def __init__(self) -> None:
        self.busy = threading.Lock()
        super().__init__(self._found)

    def _found(self, frame: Frame) -> Detections:
        assert self.busy.acquire(blocking=False), "two calls at once"
        time.sleep(0.001)
        self.busy.release()
        return one_walker(frame)


def boxes_of(pipeline: MultiPipeline) -> list[list[float]]:
    events = pipeline.run([ScriptedSource(30)])
    results = [event.result for event in events if isinstance(event, SourceResult)]
    return [box for result in results for box in result.tracks.boxes.tolist()]


def test_runs_in_several_threads_share_a_detector() -> None:
    detector = Exclusive()
    factories = StageFactories(detector=lambda: detector, tracker=DeepSort)
    alone = boxes_of(MultiPipeline(factories))
    shared = MultiPipeline(one_call_at_a_time(factories))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(boxes_of, [shared] * 4))
    assert alone
    assert found == [alone] * 4
    assert len(detector.started) == 5


def test_names_and_digests_are_those_of_the_stages() -> None:
    detector = ScriptedDetector([])
    factories = one_call_at_a_time(StageFactories(detector=lambda: detector, tracker=DeepSort))
    (event, *_) = MultiPipeline(factories).run([ScriptedSource(1)])
    assert isinstance(event, SourceResult)
    assert event.result.run.class_names == detector.class_names
    assert event.result.run.model_digests == ScriptedDetector.digests
    assert "share" in event.result.timings_s
