"""The frame loop: order, overlap, time, back-pressure and failures."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tests.fakes import HangingSource, one_walker
from tracker.detections import Detections
from tracker.errors import ConfigError, DataError, ModelError, SourceError
from tracker.frames import Frame
from tracker.pipeline.frame_loop import QUEUE_SIZE
from tracker.pipeline.single import Pipeline
from tracker.pipeline.source_state import frame_intervals
from tracker.sources.live.settings import FramePolicy
from tracker.testing import ScriptedDetector, ScriptedSource
from tracker.tracking.deepsort import DeepSort
from tracker.tracks import CameraMotion, TrackedFrame, Tracks, TrackState


class RecordingTracker:
    """Records the time steps of its calls."""

    track_count = 0

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.coasts: list[float] = []
        self.resets: list[float] = []
        self.cameras: list[CameraMotion | None] = []

    def reset(self, *, frame_interval_s: float, frame_size: tuple[int, int] | None = None) -> None:
        self.resets.append(frame_interval_s)

    def step(
        self, detections: Detections, *, dt: float = 1.0, camera: CameraMotion | None = None
    ) -> Tracks:
        self.steps.append(dt)
        self.cameras.append(camera)
        return Tracks.empty()

    def coast(self, *, dt: float = 1.0, camera: CameraMotion | None = None) -> Tracks:
        self.coasts.append(dt)
        self.cameras.append(camera)
        return Tracks.empty()


class Captured(ScriptedSource):
    """Frames that were captured some seconds before they are delivered."""

    def __init__(self, count: int, *, before_s: float) -> None:
        super().__init__(count, live=True)
        self._before_s = before_s

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            yield dataclasses.replace(frame, captured_s=time.monotonic() - self._before_s)


class ScriptedCamera:
    """Reports a shift to the right by as many pixels as frames since the reset."""

    def __init__(self) -> None:
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1
        self.seen = 0

    def estimate(self, frame: Frame, detections: Detections) -> CameraMotion:
        assert frame.index == self.seen
        assert len(detections) == 1
        self.seen += 1
        return CameraMotion(shift=(float(self.seen), 0.0))


def pipeline(answer: Callable[[Frame], Detections] = one_walker) -> Pipeline:
    return Pipeline(detector=ScriptedDetector(answer), tracker=DeepSort(), config={"a": 1})


def worker_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("tracker-")]


def test_a_source_without_frames_is_an_error() -> None:
    with pytest.raises(SourceError, match="scripted: no frames"):
        list(pipeline().run(ScriptedSource(0)))
    assert worker_threads() == []


def test_without_an_embedder_detections_keep_their_embeddings() -> None:
    found = Detections.create([[0, 0, 10, 20]], [0.9], None, [[0.6, 0.8]])
    stages = Pipeline(detector=ScriptedDetector(lambda frame: found), tracker=DeepSort())
    (result,) = stages.run(ScriptedSource(1))
    assert result.detections is found


def test_one_frame() -> None:
    (result,) = pipeline().run(ScriptedSource(1))
    assert result.frame.index == 0
    assert len(result.detections) == 1
    assert result.detections.embeddings.shape == (1, 0)
    assert set(result.timings_s) == {"decode", "infer", "embed", "track"}
    assert result.run.class_names == ("person", "car")
    assert result.run.config == {"a": 1}
    assert result.run.model_digests == {"scripted.weights": "0" * 64}


def test_a_plain_function_is_a_detector() -> None:
    def bright_rows(image: np.ndarray) -> tuple[list[list[int]], list[float], list[int]]:
        row = int(image[0, 0, 0])
        return [[row, 10, row + 12, 40]], [0.8], [0]

    results = list(Pipeline(detector=bright_rows, tracker=DeepSort()).run(ScriptedSource(6)))
    assert [r.detections.boxes[0, 0] for r in results] == [0, 1, 2, 3, 4, 5]
    assert results[-1].tracks.ids.tolist() == [1]
    assert set(results[0].timings_s) == {"decode", "infer", "embed", "track"}
    assert results[0].run.class_names == ("object",)
    assert results[0].run.model_digests == {}


class OneVector:
    """An embedder with only the required method."""

    def embed(self, frame: Frame, detections: Detections) -> Detections:
        return detections.with_embeddings(np.tile(np.float32([0.6, 0.8]), (len(detections), 1)))


def test_an_embedder_needs_one_method() -> None:
    stages = Pipeline(
        detector=lambda image: ([[0, 0, 10, 20]], [0.9], [0]),
        embedder=OneVector(),
        tracker=DeepSort(),
    )
    (result,) = stages.run(ScriptedSource(1))
    np.testing.assert_allclose(result.detections.embeddings, [[0.6, 0.8]], rtol=1e-6)
    assert result.run.model_digests == {}


def test_a_wrong_result_of_a_function_ends_the_run_with_its_name() -> None:
    def finds_nothing(image: np.ndarray) -> None:
        return None

    stages = Pipeline(detector=finds_nothing, tracker=DeepSort())  # type: ignore[arg-type]
    with pytest.raises(DataError, match="detector function finds_nothing: expected Detections"):
        list(stages.run(ScriptedSource(2)))
    assert worker_threads() == []


def test_object_that_is_not_a_detector_is_refused() -> None:
    with pytest.raises(ConfigError, match="detector: expected a function of an image"):
        Pipeline(detector="small", tracker=DeepSort())  # type: ignore[arg-type]


def test_reading_stage_of_a_live_source_is_wait() -> None:
    (result,) = pipeline().run(ScriptedSource(1, live=True))
    assert set(result.timings_s) == {"wait", "infer", "embed", "track"}


def test_results_are_in_order_and_have_their_frame() -> None:
    results = list(pipeline().run(ScriptedSource(120)))
    assert [r.frame.index for r in results] == list(range(120))
    assert all(int(r.frame.image[0, 0, 0]) == r.frame.index for r in results)
    assert results[-1].track_count >= 1


def test_every_source_starts_ids_at_one() -> None:
    both = pipeline()
    for _ in range(2):
        results = list(both.run(ScriptedSource(5)))
        assert results[-1].tracks.ids.tolist() == [1]


def test_time_steps_count_nominal_intervals() -> None:
    tracker = RecordingTracker()
    source = ScriptedSource(0, indices=[0, 1, 4, 5])
    list(Pipeline(detector=ScriptedDetector(one_walker), tracker=tracker).run(source))
    assert tracker.steps == [1, 1, 3, 1]
    assert tracker.resets == [pytest.approx(1 / 25)]


def test_camera_motion_is_estimated_only_on_request() -> None:
    tracker = RecordingTracker()
    results = list(
        Pipeline(detector=ScriptedDetector(one_walker), tracker=tracker).run(ScriptedSource(2))
    )
    assert tracker.cameras == [None, None]
    assert "camera" not in results[0].timings_s


def test_the_tracker_gets_the_camera_motion() -> None:
    tracker, camera = RecordingTracker(), ScriptedCamera()
    both = Pipeline(detector=ScriptedDetector(one_walker), tracker=tracker, camera_motion=camera)
    for _ in range(2):
        results = list(both.run(ScriptedSource(3)))
    assert camera.resets == 2
    assert tracker.cameras == 2 * [CameraMotion(shift=(x, 0.0)) for x in (1.0, 2.0, 3.0)]
    assert "camera" in results[0].timings_s


@pytest.mark.parametrize(
    ("elapsed_s", "expected"),
    [
        (0.04, 1.0),
        (0.041, 1.0),  # rounded to milliseconds
        (0.08, 2.0),
        (0.06, 1.5),  # variable frame rate
        (0.002, 0.05),
        (0.0, 1.0),  # equal time stamps
        (-1.0, 1.0),  # or falling ones
    ],
)
def test_frame_intervals(elapsed_s: float, expected: float) -> None:
    assert frame_intervals(elapsed_s, 0.04) == pytest.approx(expected)


def test_queues_bound_reading_ahead() -> None:
    source = ScriptedSource(500)
    results = pipeline().run(source)
    next(results)
    time.sleep(0.3)
    # Taken: 1. Waiting: two queues. Being processed: one frame in each of two threads.
    assert source.delivered <= 1 + 2 * QUEUE_SIZE + 2
    results.close()
    assert worker_threads() == []


def test_stages_overlap() -> None:
    source_waits = threading.Event()

    def before_frame(index: int) -> None:
        if index == 2:
            source_waits.set()

    def answer(frame: Frame) -> Detections:
        if frame.index == 0:  # inference of frame 0 ends only when frame 2 is being read
            assert source_waits.wait(5)
        return one_walker(frame)

    results = list(pipeline(answer).run(ScriptedSource(4, before_frame=before_frame)))
    assert len(results) == 4


def test_a_live_source_keeps_only_the_newest_frame() -> None:
    infers, may_infer = threading.Event(), threading.Event()

    def before_frame(index: int) -> None:
        if index == 1:
            assert infers.wait(5)
        if index == 9:  # frames 1..8 came while frame 0 was in the detector
            time.sleep(0.1)
            may_infer.set()
            time.sleep(0.1)

    def answer(frame: Frame) -> Detections:
        infers.set()
        assert may_infer.wait(5)
        return one_walker(frame)

    source = ScriptedSource(10, live=True, before_frame=before_frame)
    results = list(pipeline(answer).run(source))
    assert [r.frame.index for r in results] == [0, 8, 9]
    assert [r.dropped for r in results][-1] == 7


def wait_for_the_reader_to_end() -> None:
    for thread in threading.enumerate():
        if thread.name == "tracker-read-0":
            thread.join(5)
            assert not thread.is_alive()


@pytest.mark.parametrize(
    ("live", "policy", "keeps_all"),
    [
        (False, FramePolicy.AUTO, True),
        (True, FramePolicy.AUTO, False),
        (False, FramePolicy.NEWEST, False),
        (True, FramePolicy.ALL, True),
    ],
)
def test_policy_decides_which_frames_are_processed(
    live: bool, policy: FramePolicy, keeps_all: bool
) -> None:
    taken = threading.Event()

    def before_frame(index: int) -> None:
        if index == 1:
            assert taken.wait(5)

    source = ScriptedSource(100, live=live, before_frame=before_frame)
    results = []
    for result in pipeline().run(source, policy=policy):
        results.append(result)
        taken.set()
        if len(results) == 1 and not keeps_all:
            wait_for_the_reader_to_end()  # The reader never waits for the caller.
    indices = [result.frame.index for result in results]
    assert indices[0] == 0
    assert indices[-1] == 99
    assert len(results) + results[-1].dropped == 100
    if keeps_all:
        assert indices == list(range(100))
    else:
        # One result waited for the caller, and then there was only the newest frame.
        assert len(results) <= 3


def test_frames_before_a_drop_are_counted_exactly() -> None:
    results = pipeline().run(ScriptedSource(300), policy=FramePolicy.NEWEST)
    for count, result in enumerate(results):
        assert result.frame.index == count + result.dropped


def test_age_is_measured_when_a_result_is_delivered() -> None:
    results = pipeline().run(Captured(2, before_s=5), policy=FramePolicy.ALL)
    first = next(results)
    assert first.age_s == pytest.approx(5, abs=1)
    time.sleep(0.2)
    second = next(results)
    assert second.age_s is not None
    assert second.age_s > 5.15  # it was waiting in between
    results.close()
    (unknown,) = pipeline().run(ScriptedSource(1))
    assert unknown.age_s is None


def test_between_detections_tracks_coast() -> None:
    seen: list[int] = []

    def answer(frame: Frame) -> Detections:
        seen.append(frame.index)
        return one_walker(frame)

    tracker, camera = RecordingTracker(), ScriptedCamera()
    stages = Pipeline(
        detector=ScriptedDetector(answer), tracker=tracker, camera_motion=camera, detect_every=3
    )
    results = list(stages.run(ScriptedSource(0, indices=[0, 1, 2, 3, 4])))
    assert seen == [0, 3]
    assert [r.is_coasted for r in results] == [False, True, True, False, True]
    assert [len(r.detections) for r in results] == [1, 0, 0, 1, 0]
    assert (tracker.steps, tracker.coasts) == ([1, 1], [1, 1, 1])
    # The camera motion is estimated in every frame, with the objects where they were last detected.
    assert tracker.cameras == [CameraMotion(shift=(x, 0.0)) for x in (1.0, 2.0, 3.0, 4.0, 5.0)]
    assert "infer" not in results[1].timings_s


def test_deepsort_coasts_with_predicted_boxes() -> None:
    stages = Pipeline(detector=ScriptedDetector(one_walker), tracker=DeepSort(), detect_every=2)
    results = list(stages.run(ScriptedSource(19)))
    last, before = results[17], results[16]
    assert last.is_coasted
    assert last.tracks.ids.tolist() == [1]
    # Two pixels to the right in each frame.
    assert last.tracks.boxes[0, 0] - before.tracks.boxes[0, 0] == pytest.approx(2, abs=0.5)


def test_detect_every_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"detector.every: expected >= 1, got 0"):
        Pipeline(detector=ScriptedDetector(one_walker), tracker=DeepSort(), detect_every=0)


def test_all_frames_before_an_unreadable_one_arrive() -> None:
    def before_frame(index: int) -> None:
        if index == 30:
            raise SourceError("broke")

    seen: list[int] = []

    def take() -> None:
        for result in pipeline().run(ScriptedSource(50, before_frame=before_frame)):
            seen.append(result.frame.index)

    with pytest.raises(SourceError, match="broke"):
        take()
    assert seen == list(range(30))


@pytest.mark.parametrize("stage", ["source", "detector"])
def test_an_error_in_any_thread_is_raised_to_the_caller(stage: str) -> None:
    def fail(at: int) -> None:
        if at == 5:
            raise SourceError(f"the {stage} broke")

    def answer(frame: Frame) -> Detections:
        if stage == "detector":
            fail(frame.index)
        return one_walker(frame)

    before = fail if stage == "source" else (lambda index: None)
    with pytest.raises(SourceError, match=f"the {stage} broke"):
        list(pipeline(answer).run(ScriptedSource(50, before_frame=before)))
    assert worker_threads() == []


def test_results_before_an_error_still_arrive() -> None:
    def answer(frame: Frame) -> Detections:
        if frame.index == 3:
            raise SourceError("broke")
        return one_walker(frame)

    seen: list[int] = []

    def take_slowly() -> None:
        for result in pipeline(answer).run(ScriptedSource(50)):
            time.sleep(0.05)  # the error is there before these are taken
            seen.append(result.frame.index)

    with pytest.raises(SourceError):
        take_slowly()
    assert seen == [0, 1, 2]


def test_leaving_the_loop_ends_the_threads() -> None:
    for result in pipeline().run(ScriptedSource(500)):
        if result.frame.index == 3:
            break
    del result
    deadline = time.monotonic() + 5
    while worker_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert worker_threads() == []


def test_stop_ends_the_run_even_while_the_source_waits() -> None:
    stop, release = threading.Event(), threading.Event()

    def before_frame(index: int) -> None:
        if index == 2:
            stop.set()
            release.wait(0.5)

    results = []
    for result in pipeline().run(ScriptedSource(50, before_frame=before_frame), stop=stop):
        results.append(result)
        if len(results) == 2:
            release.set()
    release.set()
    assert len(results) <= 2


def test_stop_closes_a_source_whose_reader_blocks() -> None:
    source, stop = HangingSource(), threading.Event()
    for _ in pipeline().run(source, stop=stop):
        stop.set()
    assert source.closed
    assert worker_threads() == []


def test_error_closes_a_source_whose_reader_blocks() -> None:
    def fails(frame: Frame) -> Detections:
        raise ModelError("broken")

    source = HangingSource()
    with pytest.raises(ModelError, match="broken"):
        list(pipeline(fails).run(source))
    assert source.closed


def test_source_that_ended_stays_open() -> None:
    source = ScriptedSource(2)
    list(pipeline().run(source))
    assert not source.closed


def test_idle_is_called_while_no_result_comes_and_may_stop_the_run() -> None:
    source, stop = HangingSource(), threading.Event()
    calls = []

    def idle() -> None:
        calls.append(threading.current_thread())
        if results and len(calls) >= 3:
            stop.set()

    results: list[TrackedFrame] = []
    for result in pipeline().run(source, stop=stop, idle=idle):
        results.append(result)
    assert 1 <= len(results) <= 2  # the newest of both, or each
    assert set(calls) == {threading.current_thread()}
    assert source.closed


def test_results_have_the_tracks_that_are_not_reported() -> None:
    """Tentative in the first frame, lost in the last two; a tracker without them has none."""
    script = [Detections.create([[10, 10, 20, 40]], [0.9])] * 4
    pipeline = Pipeline(detector=ScriptedDetector(script), tracker=DeepSort())
    results = list(pipeline.run(ScriptedSource(6)))
    assert [r.tracks.ids.tolist() for r in results] == [[], [1], [1], [1], [], []]
    assert [r.unreported.ids.tolist() for r in results] == [[-1], [], [], [], [1], [1]]
    states = [r.unreported.states.tolist() for r in results]
    assert states == [[TrackState.TENTATIVE]] + [[]] * 3 + [[TrackState.LOST]] * 2
    plain = Pipeline(detector=ScriptedDetector(script), tracker=RecordingTracker())
    assert [len(r.unreported) for r in plain.run(ScriptedSource(2))] == [0, 0]
