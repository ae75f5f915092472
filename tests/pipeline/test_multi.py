"""Several sources in one process: order, batches, fairness, and isolation of failures."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from tests.fakes import HangingSource, one_walker
from tracker.detections import Detections
from tracker.errors import ConfigError, DataError, ModelError, SourceError
from tracker.frames import Frame
from tracker.linking.settings import LinkSettings
from tracker.pipeline.frame_loop import SourceEnd, SourceEvent, SourceResult
from tracker.pipeline.multi import MultiPipeline, StageFactories
from tracker.pipeline.single import NoEmbedder, Pipeline
from tracker.sources.live.settings import FramePolicy
from tracker.testing import ScriptedDetector, ScriptedSource
from tracker.tracking.deepsort import DeepSort
from tracker.util.stopwatch import Stopwatch

PATIENCE_S = 10


class BatchDetector(ScriptedDetector):
    """Records its batches; the sources of frames are identified by the frame height."""

    def __init__(self, answer: Callable[[Frame], Detections] = one_walker) -> None:
        super().__init__(answer)
        self.batches: list[list[tuple[int, int]]] = []

    def detect(self, frames: Sequence[Frame], stopwatch: Stopwatch) -> list[Detections]:
        self.batches.append([(frame.height, frame.index) for frame in frames])
        return super().detect(frames, stopwatch)


@pytest.fixture(autouse=True)
def _no_thread_stays_alive() -> Iterator[None]:
    yield
    assert [t.name for t in threading.enumerate() if t.name.startswith("tracker-")] == []


def many(
    answer: Callable[[Frame], Detections] = one_walker,
    *,
    detector: ScriptedDetector | None = None,
    detect_every: int = 1,
    max_frames: int | None = None,
    batch_wait_s: float = 0.005,
) -> MultiPipeline:
    shared = detector or ScriptedDetector(answer)
    return MultiPipeline(
        StageFactories(detector=lambda: shared, tracker=DeepSort),
        config={"a": 1},
        detect_every=detect_every,
        max_frames=max_frames,
        batch_wait_s=batch_wait_s,
    )


def indices(events: Sequence[SourceEvent], source: int) -> list[int]:
    return [
        event.result.frame.index
        for event in events
        if event.index == source and isinstance(event, SourceResult)
    ]


def ends(events: Sequence[SourceEvent]) -> dict[int, str | None]:
    return {
        event.index: None if event.error is None else str(event.error)
        for event in events
        if isinstance(event, SourceEnd)
    }


def failing_at(index: int, error: Exception) -> Callable[[int], None]:
    def before_frame(at: int) -> None:
        if at == index:
            raise error

    return before_frame


def test_no_source_is_an_error() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        list(many().run([]))


def test_empty_source_ends_with_an_error_and_the_other_continues() -> None:
    events = list(many().run([ScriptedSource(0), ScriptedSource(3)]))
    assert "no frames" in str(ends(events)[0])
    assert ends(events)[1] is None
    assert indices(events, 1) == [0, 1, 2]


def test_one_source_gives_the_results_of_pipeline() -> None:
    single = Pipeline(detector=ScriptedDetector(one_walker), tracker=DeepSort())
    expected = list(single.run(ScriptedSource(30)))
    *events, end = many().run([ScriptedSource(30)])
    assert isinstance(end, SourceEnd)
    for event, result in zip(events, expected, strict=True):
        assert isinstance(event, SourceResult)
        assert event.result.frame.index == result.frame.index
        assert event.result.tracks.ids.tolist() == result.tracks.ids.tolist()
        assert (event.result.tracks.boxes == result.tracks.boxes).all()
        assert set(event.result.timings_s) == set(result.timings_s)


def test_two_sources_keep_their_order_and_their_own_ids() -> None:
    events = list(many().run([ScriptedSource(20), ScriptedSource(12, size=(60, 70))]))
    assert indices(events, 0) == list(range(20))
    assert indices(events, 1) == list(range(12))
    assert ends(events) == {0: None, 1: None}
    for source, size in ((0, (48, 64)), (1, (60, 70))):
        results = [e.result for e in events if e.index == source and isinstance(e, SourceResult)]
        assert results[-1].tracks.ids.tolist() == [1]
        assert {(r.frame.height, r.frame.width) for r in results} == {size}
        assert {(r.run.video.height, r.run.video.width) for r in results} == {size}
        assert results[0].run.config == {"a": 1}
    # Nothing of a source follows its end.
    for source in (0, 1):
        kinds = [type(event) for event in events if event.index == source]
        assert kinds.index(SourceEnd) == len(kinds) - 1


def test_linking_gives_one_id_in_all_sources_and_in_one() -> None:
    def described(frame: Frame) -> Detections:
        return one_walker(frame).with_embeddings(np.array([[1, 0]], np.float32))

    detector = ScriptedDetector(described)
    stages = StageFactories(detector=lambda: detector, tracker=DeepSort)
    pipeline = MultiPipeline(stages, link=LinkSettings())
    for _ in range(2):  # each run begins without people
        events = list(pipeline.run([ScriptedSource(12), ScriptedSource(12)]))
        results = [(e.index, e.result) for e in events if isinstance(e, SourceResult)]
        for source in (0, 1):
            tracks = [r.tracks for index, r in results if index == source and len(r.tracks)]
            found = [one.global_ids.tolist() for one in tracks]
            assert found == [[-1]] * 4 + [[1]] * (len(found) - 4)  # the fifth embedding
            assert len(found) >= 6
    single = Pipeline(detector=detector, tracker=DeepSort(), link=LinkSettings(min_embeddings=1))
    *_, last = single.run(ScriptedSource(4))
    assert last.tracks.global_ids.tolist() == [1]


@settings(max_examples=25)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=4), st.booleans())
def test_all_frames_of_all_files_arrive_once(counts: list[int], waits: bool) -> None:
    sources = [ScriptedSource(count) for count in counts]
    events = list(many(batch_wait_s=0.002 if waits else 0).run(sources))
    for source, count in enumerate(counts):
        assert indices(events, source) == list(range(count))
    assert len(ends(events)) == len(counts)


def test_a_batch_holds_one_frame_of_each_source_at_most() -> None:
    detector = BatchDetector()
    sources = [ScriptedSource(20, size=(height, 64)) for height in (40, 50, 60)]
    list(many(detector=detector, batch_wait_s=PATIENCE_S).run(sources))
    # The intake waits for all sources: all batches are full, after the blank ones for compiling.
    blank, *batches = detector.batches
    assert blank == [(40, 0), (50, 0), (60, 0)]
    assert batches == [[(40, n), (50, n), (60, n)] for n in range(20)]
    assert [(info.height, info.width) for info in detector.started] == [
        (40, 64), (50, 64), (60, 64)
    ]  # fmt: skip


def test_separate_detectors_have_separate_batches() -> None:
    made: list[BatchDetector] = []

    def make() -> BatchDetector:
        made.append(BatchDetector())
        return made[-1]

    sources = [ScriptedSource(5, size=(height, 64)) for height in (40, 50)]
    list(MultiPipeline(StageFactories(detector=make, tracker=DeepSort)).run(sources))
    for detector, height in zip(made, (40, 50), strict=True):
        assert detector.batches == [[(height, n)] for n in range(5)]
        assert len(detector.started) == 1


def test_the_time_of_a_batch_is_shared_among_its_frames() -> None:
    def answer(frame: Frame) -> Detections:
        time.sleep(0.02)
        return one_walker(frame)

    sources = [ScriptedSource(2), ScriptedSource(2)]
    events = list(many(answer, batch_wait_s=PATIENCE_S).run(sources))
    first = [e.result.timings_s["infer"] for e in events[:2] if isinstance(e, SourceResult)]
    # Both were in one batch of at least 40 ms.
    assert first[0] == first[1] >= 0.02


def test_one_source_fails_and_the_other_continues() -> None:
    broken = ScriptedSource(20, before_frame=failing_at(7, SourceError("cable is out")))
    events = list(many().run([broken, ScriptedSource(20)]))
    assert indices(events, 0) == list(range(7))
    assert indices(events, 1) == list(range(20))
    assert ends(events) == {0: "cable is out", 1: None}


def test_all_sources_fail() -> None:
    broken = [
        ScriptedSource(5, before_frame=failing_at(at, SourceError(f"lost at {at}")))
        for at in (0, 2)
    ]
    events = list(many().run(broken))
    assert ends(events) == {0: "lost at 0", 1: "lost at 2"}
    assert indices(events, 1) == [0, 1]


def test_a_bug_is_raised_and_not_reported_as_the_end_of_a_source() -> None:
    faulty = ScriptedSource(5, before_frame=failing_at(2, ZeroDivisionError("ours")))
    with pytest.raises(ZeroDivisionError, match="ours"):
        list(many().run([ScriptedSource(500), faulty]))


def test_a_stalled_source_does_not_delay_the_others() -> None:
    goes_on = threading.Event()

    def before_frame(index: int) -> None:
        if index == 3:
            assert goes_on.wait(PATIENCE_S)

    events = []
    for event in many().run([ScriptedSource(8, before_frame=before_frame), ScriptedSource(30)]):
        events.append(event)
        if event.index == 1 and isinstance(event, SourceEnd):
            assert 0 not in ends(events)
            goes_on.set()
    assert indices(events, 1) == list(range(30))
    assert indices(events, 0) == list(range(8))


def test_a_fast_file_does_not_starve_a_slow_camera() -> None:
    """An available camera frame is in the next batch, however many frames of the file wait."""
    released, delivered, waiting = threading.Event(), threading.Event(), threading.Event()

    def file_is_ahead(index: int) -> None:
        if index == 12:
            waiting.set()  # Frame 11 is queued for the detector.

    def camera_waits(index: int) -> None:
        if index == 0:
            assert released.wait(PATIENCE_S)
        else:
            delivered.set()  # The first frame is queued for the detector.

    def answer(frame: Frame) -> Detections:
        if frame.height == 48 and frame.index == 10:
            released.set()
            assert waiting.wait(PATIENCE_S)
            assert delivered.wait(PATIENCE_S)
        return one_walker(frame)

    detector = BatchDetector(answer)
    file = ScriptedSource(40, before_frame=file_is_ahead)
    camera = ScriptedSource(2, live=True, size=(60, 64), before_frame=camera_waits)
    list(many(detector=detector, batch_wait_s=0).run([file, camera]))
    batches = detector.batches[1:]
    at = batches.index([(48, 10)])
    assert batches[at + 1][0] == (48, 11)
    assert batches[at + 1][1][0] == 60


def test_dropped_frames_of_cameras_are_counted_for_each() -> None:
    """While the detector processes the first frames, one camera delivers 20, the other 5."""
    started = threading.Event()
    all_read = [threading.Event(), threading.Event()]

    def camera(count: int, done: threading.Event, height: int) -> ScriptedSource:
        def before_frame(index: int) -> None:
            if index == 1:
                assert started.wait(PATIENCE_S)
            if index == count - 1:
                done.set()

        return ScriptedSource(count, live=True, size=(height, 64), before_frame=before_frame)

    blank = [True]

    def answer(frame: Frame) -> Detections:
        if not blank[0]:
            started.set()
            assert all(done.wait(PATIENCE_S) for done in all_read)
        return one_walker(frame)

    class Detector(BatchDetector):
        def detect(self, frames: Sequence[Frame], stopwatch: Stopwatch) -> list[Detections]:
            found = super().detect(frames, stopwatch)
            blank[0] = False
            return found

    cameras = [camera(20, all_read[0], 40), camera(5, all_read[1], 50)]
    pipeline = many(detector=Detector(answer), batch_wait_s=PATIENCE_S)
    events = list(pipeline.run(cameras))
    for source, count in enumerate((20, 5)):
        results = [e.result for e in events if e.index == source and isinstance(e, SourceResult)]
        assert results[0].frame.index == 0
        assert results[-1].frame.index == count - 1  # the newest is never dropped
        assert [r.frame.index for r in results] == [n + r.dropped for n, r in enumerate(results)]
        assert len(results) <= 3  # the last one may have come after the detector was released


def test_results_of_cameras_do_not_pile_up() -> None:
    taken = threading.Event()

    def before_frame(index: int) -> None:
        if index == 1:
            assert taken.wait(PATIENCE_S)

    cameras = [ScriptedSource(200, live=True, before_frame=before_frame) for _ in range(2)]
    events = []
    for event in many().run(cameras):
        events.append(event)
        taken.set()
        if len(events) == 1:
            for thread in threading.enumerate():
                if thread.name.startswith("tracker-read"):
                    thread.join(PATIENCE_S)
                    assert not thread.is_alive()
    for source in (0, 1):
        results = [e.result for e in events if e.index == source and isinstance(e, SourceResult)]
        assert results[-1].frame.index == 199
        assert len(results) + results[-1].dropped == 200
        # The first, those in progress while no results were taken, and the newest.
        assert len(results) <= 5


def test_policy_applies_to_all_sources() -> None:
    cameras = [ScriptedSource(30, live=True) for _ in range(2)]
    events = list(many().run(cameras, policy=FramePolicy.ALL))
    assert indices(events, 0) == indices(events, 1) == list(range(30))


def test_detections_of_every_third_frame_are_counted_by_source() -> None:
    detector = BatchDetector()
    sources = [ScriptedSource(7, size=(40, 64)), ScriptedSource(4, size=(50, 64))]
    events = list(many(detector=detector, detect_every=3).run(sources))
    looked_at = {frame for batch in detector.batches[1:] for frame in batch}
    assert looked_at == {(40, 0), (40, 3), (40, 6), (50, 0), (50, 3)}
    coasted = [e.result.is_coasted for e in events if e.index == 0 and isinstance(e, SourceResult)]
    assert coasted == [False, True, True, False, True, True, False]


def test_each_source_ends_after_max_frames() -> None:
    events = list(many(max_frames=5).run([ScriptedSource(100), ScriptedSource(3)]))
    assert indices(events, 0) == [0, 1, 2, 3, 4]
    assert indices(events, 1) == [0, 1, 2]
    assert ends(events) == {0: None, 1: None}


def test_a_detector_that_fails_ends_all() -> None:
    def answer(frame: Frame) -> Detections:
        if frame.index == 3:
            raise ModelError("the network broke")
        return one_walker(frame)

    with pytest.raises(ModelError, match="the network broke"):
        list(many(answer).run([ScriptedSource(500), ScriptedSource(500, live=True)]))


def test_a_detector_that_cannot_start_ends_all() -> None:
    class FailingAtStart(ScriptedDetector):
        def start(self, info: object) -> None:
            raise ModelError("no such network")

    with pytest.raises(ModelError, match="no such network"):
        list(
            many(detector=FailingAtStart(one_walker)).run([ScriptedSource(50), ScriptedSource(50)])
        )


def test_leaving_the_loop_ends_the_threads() -> None:
    events = many().run([ScriptedSource(500), ScriptedSource(500)])
    next(events)
    events.close()


def test_stop_ends_the_run_even_while_a_source_waits() -> None:
    stop, release = threading.Event(), threading.Event()

    def before_frame(index: int) -> None:
        if index == 2:
            stop.set()
            release.wait(0.5)

    waiting = ScriptedSource(50, before_frame=before_frame)
    events = list(many().run([waiting, ScriptedSource(2)], stop=stop))
    release.set()
    assert indices(events, 0) in ([], [0], [0, 1])
    assert ends(events).get(0, "none") == "none"


def test_memory_is_bounded() -> None:
    sources = [ScriptedSource(500) for _ in range(2)]
    events = many().run(sources)
    next(events)
    time.sleep(0.3)
    # For each source: 1 taken, 4 results and 4 frames wait, one processed in each thread.
    assert all(source.delivered <= 1 + 2 * 4 + 2 + 1 for source in sources)
    events.close()


def test_sources_cannot_share_a_tracker() -> None:
    tracker = DeepSort()
    stages = StageFactories(detector=lambda: ScriptedDetector(one_walker), tracker=lambda: tracker)
    with pytest.raises(ConfigError, match="tracker: expected one of its own for each source"):
        list(MultiPipeline(stages).run([ScriptedSource(1), ScriptedSource(1)]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detect_every": 0}, r"detector.every: expected >= 1"),
        ({"batch_wait_s": -1.0}, r"batch.wait_s: expected seconds from 0 to 60"),
        ({"batch_wait_s": float("nan")}, r"batch.wait_s"),
        ({"max_frames": 0}, r"source.max_frames: expected >= 1"),
    ],
)
def test_wrong_numbers(options: dict[str, float], message: str) -> None:
    stages = StageFactories(
        detector=lambda: ScriptedDetector(one_walker), tracker=DeepSort, embedder=NoEmbedder
    )
    with pytest.raises(ConfigError, match=message):
        MultiPipeline(stages, **options)  # type: ignore[arg-type]


def test_function_detector_gets_single_frames_of_all_sources() -> None:
    seen: list[tuple[int, int]] = []

    def find(image: np.ndarray) -> Detections:
        seen.append((image.shape[0], int(image[0, 0, 0])))
        return Detections.create([[0, 0, 10, 20]], [0.8])

    stages = MultiPipeline(StageFactories(detector=lambda: find, tracker=DeepSort))
    events = list(stages.run([ScriptedSource(3, size=(48, 64)), ScriptedSource(2, size=(40, 64))]))
    assert ends(events) == {0: None, 1: None}
    assert sorted(seen) == [(40, 0), (40, 1), (48, 0), (48, 1), (48, 2)]


def test_a_wrong_result_of_a_function_ends_every_source_with_its_name() -> None:
    stages = MultiPipeline(StageFactories(detector=lambda: len, tracker=DeepSort))  # type: ignore[arg-type,return-value]
    with pytest.raises(DataError, match="detector function len: expected Detections"):
        list(stages.run([ScriptedSource(2), ScriptedSource(2)]))


def test_idle_is_called_while_no_source_has_a_frame_and_may_stop_the_run() -> None:
    sources, stop = [HangingSource(), HangingSource()], threading.Event()
    calls = []

    def idle() -> None:
        calls.append(threading.current_thread())
        if events and len(calls) >= 3:
            stop.set()

    events: list[SourceEvent] = []
    for event in many().run(sources, stop=stop, idle=idle):
        events.append(event)
    assert 1 <= len(events) <= 4
    assert set(calls) == {threading.current_thread()}
    assert all(source.closed for source in sources)
