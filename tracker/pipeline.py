"""The frame loop: read, detect, embed and track in threads, results in the caller's thread.

Comes in: a source and the stages. Goes out: `TrackedFrame`s, in order. Three things overlap: the
reader's thread decodes, the inference thread detects, embeds and tracks, and the caller's thread
draws, encodes and writes. Channels between them are bounded, so memory is too.
"""

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from queue import Empty
from typing import Any, TypeVar

from tracker.detection.function_detector import as_detector
from tracker.detections import AnyDetector, Detections, Embedder, digests_of
from tracker.frames import Frame, Source, VideoInfo
from tracker.lane import Lane, check_detect_every, no_frames, with_age
from tracker.sources.live_settings import FramePolicy
from tracker.timing import Stopwatch
from tracker.tracks import CameraObserver, MultiObjectTracker, RunInfo, TrackedFrame
from tracker.workers import Channel, ReadFrame, WhenFull, Workers, run_together

ItemT = TypeVar("ItemT")

QUEUE_SIZE = 4
"""Frames that may wait between two stages: enough to even out a slow key frame or encoder burst."""

_CLOSE_S = 2.0
"""How long the sources of a run may take to close; one that takes longer goes on in its thread."""

_POLL_S = 0.1
"""How often the caller's thread looks whether it should stop."""


class NoEmbedder:
    """The embedder that adds no appearance: detections keep the embeddings that they have.

    Replayed detections may have some (`ReplayDetector`); those of detectors are `(N, 0)`.
    """

    @property
    def digests(self) -> Mapping[str, str]:
        """No model, no files."""
        return {}

    def embed(self, frame: Frame, detections: Detections) -> Detections:
        """Returns the detections as they are."""
        return detections


class Pipeline:
    """Runs a source through detector, embedder and tracker.

    Args:
        detector: Finds objects: a `Detector`, or a function from a picture `(H, W, 3)` to
            `Detections` or to boxes, scores and classes (`FunctionDetector`).
        embedder: Describes how they look; `None` for no appearance.
        camera_motion: Tells the tracker how the camera moved; `None` for a camera that stands
            still, which costs nothing.
        tracker: Joins them over time.
        config: What results record as the resolved configuration; plain JSON types.
        detect_every: The detector looks at every n-th frame that is processed, from the first one
            on, >= 1; in the others the tracker predicts.

    Raises:
        ConfigError: `detect_every` is below 1, or the detector is none.

    Example:
        ```python
        pipeline = Pipeline(detector=MotionDetector(), tracker=DeepSort())
        with VideoFile("in.mp4") as video, JsonLinesSink("out.jsonl") as sink:
            for result in pipeline.run(video):
                sink.write(result)
        ```
    """

    def __init__(
        self,
        *,
        detector: AnyDetector,
        tracker: MultiObjectTracker,
        embedder: Embedder | None = None,
        camera_motion: CameraObserver | None = None,
        config: Mapping[str, Any] | None = None,
        detect_every: int = 1,
    ) -> None:
        check_detect_every(detect_every)
        self._detector = as_detector(detector)
        self._embedder: Embedder = embedder or NoEmbedder()
        self._camera_motion = camera_motion
        self._tracker = tracker
        self._config = dict(config or {})
        self._detect_every = detect_every

    def run(
        self,
        source: Source,
        *,
        policy: FramePolicy = FramePolicy.AUTO,
        stop: threading.Event | None = None,
        idle: Callable[[], None] | None = None,
    ) -> Generator[TrackedFrame, None, None]:
        """Yields the result of each frame, in order.

        The tracker is reset first: ids start at 1 for every source. Threads end when the source
        ends, when any stage raises (the error is raised here, after the results of all frames
        that came before it), or when the iterator is closed. Closing takes less than a second,
        whatever the source does, plus what is being computed; a call into a driver that does not
        return is left to a daemon thread.

        Args:
            source: An open source. It stays open, unless `stop` or an error ends the run, or it
                gives no frame at the moment the iterator is closed: its reader waits in it.
            policy: Which frames are processed where the source is faster than the pipeline, or
                than whoever takes the results: the newest, or all; `AUTO` takes the newest of a
                live source and all of any other.
            stop: Once it is set, no further result comes; for signal handlers.
            idle: Called in the caller's thread, ten times a second while no result comes: a window
                lives on while a camera is away.

        Raises:
            SourceError: The source gave no frame or broke.
            TrackerError: Any other stage failed.
        """
        newest = takes_newest(policy, source.info)
        with Workers() as workers, closed_if_cut_short([source], stop):
            frames = workers.add(frame_channel(newest=newest))
            results = workers.add(Channel[TrackedFrame](1 if newest else QUEUE_SIZE))
            # Reading begins before the network is compiled, which takes seconds: else a live
            # source would pile up in buffers of the system, where nobody can drop its old frames.
            workers.start_reader("tracker-read", source, frames)
            lane = self._lane(source.info)
            workers.start(
                "tracker-infer",
                lambda: self._infer(lane, frames, results, newest=newest),
                results,
            )
            while (result := next_item(results, stop, idle)) is not None:
                yield with_age(result)
        if not lane.frames and not (stop and stop.is_set()):
            raise no_frames(source.info)

    def _lane(self, info: VideoInfo) -> Lane:
        self._detector.start(info)
        run = RunInfo(
            video=info,
            class_names=self._detector.class_names,
            config=self._config,
            model_digests=digests_of(self._detector) | digests_of(self._embedder),
        )
        return Lane(
            run,
            tracker=self._tracker,
            embedder=self._embedder,
            camera_motion=self._camera_motion,
            detect_every=self._detect_every,
        )

    def _infer(
        self,
        lane: Lane,
        frames: Channel[ReadFrame],
        results: Channel[TrackedFrame],
        *,
        newest: bool,
    ) -> None:
        """Takes frames until the end and puts results; runs in the inference thread."""
        while True:
            if newest:
                # A frame that is taken now and has to wait afterwards would not be the newest.
                results.wait_for_room()
                frames.wait_for_next_if_due()
            taken = frames.take()
            if taken is None:
                return
            frame, read_s = taken.item
            watch = Stopwatch()
            watch.add(reading_stage(lane.video), read_s)
            detections = None
            if lane.wants_detections:
                detections = self._detector.detect([frame], watch)[0]
            results.put(lane.step(frame, detections, watch, dropped=taken.dropped))


def reading_stage(info: VideoInfo) -> str:
    """Returns the name of the time that a source takes for a frame.

    A live one mostly waits for the next frame, which says nothing of decoding.
    """
    return "wait" if info.is_live else "decode"


def takes_newest(policy: FramePolicy, info: VideoInfo) -> bool:
    """Returns whether frames that are not taken in time make room for the newest one."""
    return info.is_live if policy is FramePolicy.AUTO else policy is FramePolicy.NEWEST


def frame_channel(
    *, newest: bool, changed: threading.Condition | None = None
) -> Channel[ReadFrame]:
    """Returns the channel from a reader to inference: of `newest`, one frame waits at most.

    Args:
        newest: Whether frames that are not taken in time make room.
        changed: Notified of changes, where several channels are waited for together.
    """
    if newest:
        return Channel(1, WhenFull.DROP_OLDEST, changed=changed)
    return Channel(QUEUE_SIZE, changed=changed)


@contextmanager
def closed_if_cut_short(sources: Sequence[Source], stop: threading.Event | None) -> Iterator[None]:
    """Closes the sources where the block ends by an error or with `stop` set.

    Their readers may wait for frames that never come, and end no other way. Where it is the caller
    who leaves, `Workers` closes those that are silent; the others stay open and can be read on.
    """
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException:
        close_together(sources)
        raise
    if stop and stop.is_set():
        close_together(sources)


def close_together(sources: Sequence[Source]) -> None:
    """Closes sources side by side: streams that are silent take half a second each."""
    run_together([source.close for source in sources], _CLOSE_S)


def next_item(
    channel: Channel[ItemT],
    stop: threading.Event | None,
    idle: Callable[[], None] | None = None,
) -> ItemT | None:
    """Returns the next item; `None` at the end, or once `stop` is set.

    Args:
        channel: Where it comes from.
        stop: Ends the wait.
        idle: Called ten times a second meanwhile.

    Raises:
        BaseException: That the other side ended with.
    """
    while not (stop and stop.is_set()):
        try:
            taken = channel.take(_POLL_S)
        except Empty:
            if idle is not None:
                idle()
            continue
        return None if taken is None else taken.item
    return None
