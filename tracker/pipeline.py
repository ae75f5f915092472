"""The frame loop: read, detect, embed and track in threads, results in the caller's thread.

Comes in: a source and the stages. Goes out: `TrackedFrame`s, in order. Three things overlap: the
reader's thread decodes, the inference thread detects, embeds and tracks, and the caller's thread
draws, encodes and writes. Queues between them are bounded, so memory is too.
"""

import logging
import threading
import time
from collections.abc import Callable, Generator, Mapping
from queue import Empty, Full, Queue
from typing import Any, Self, TypeVar

from tracker.detections import Detections, Detector, Embedder
from tracker.errors import SourceError
from tracker.frames import Frame, Source
from tracker.timing import Stopwatch
from tracker.tracks import (
    CameraMotion,
    CameraObserver,
    MultiObjectTracker,
    RunInfo,
    TrackedFrame,
)

ItemT = TypeVar("ItemT")

_log = logging.getLogger(__name__)

QUEUE_SIZE = 4
"""Frames that may wait between two stages: enough to even out a slow key frame or encoder burst."""

_POLL_S = 0.1
"""How often a blocked thread looks whether it should stop."""


_JOIN_S = 10.0
"""How long a thread may take to end: a camera that hangs must not hang the program."""


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


class _StopRequestedError(Exception):
    """A worker was told to stop while it waited on a queue."""


class Pipeline:
    """Runs a source through detector, embedder and tracker.

    Args:
        detector: Finds objects.
        embedder: Describes how they look; `None` for no appearance.
        camera_motion: Tells the tracker how the camera moved; `None` for a camera that stands
            still, which costs nothing.
        tracker: Joins them over time.
        config: What results record as the resolved configuration; plain JSON types.

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
        detector: Detector,
        tracker: MultiObjectTracker,
        embedder: Embedder | None = None,
        camera_motion: CameraObserver | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self._detector = detector
        self._embedder: Embedder = embedder or NoEmbedder()
        self._camera_motion = camera_motion
        self._tracker = tracker
        self._config = dict(config or {})

    def run(
        self, source: Source, *, stop: threading.Event | None = None
    ) -> Generator[TrackedFrame, None, None]:
        """Yields the result of each frame, in order.

        The tracker is reset first: ids start at 1 for every source. Threads end when the source
        ends, when any stage raises (the error is raised here), or when the iterator is closed.

        Args:
            source: An open source; it stays open.
            stop: Once it is set, no further result comes; for signal handlers.

        Raises:
            SourceError: The source gave no frame or broke.
            TrackerError: Any other stage failed.
        """
        info = source.info
        self._detector.start(info)
        self._tracker.reset(
            frame_interval_s=float(1 / info.fps), frame_size=(info.width, info.height)
        )
        if self._camera_motion is not None:
            self._camera_motion.reset()
        run = RunInfo(
            video=info,
            class_names=self._detector.class_names,
            config=self._config,
            model_digests={**self._detector.digests, **self._embedder.digests},
        )
        with _Workers() as workers:
            frames: _FrameQueue = _FrameQueue(workers.stop, drop_oldest=info.is_live)
            results: _ResultQueue = _ResultQueue(workers.stop)
            workers.start("tracker-read", lambda: _read(source, frames))
            workers.start("tracker-infer", lambda: self._infer(frames, results, run))
            count = 0
            while (result := workers.next_result(results, stop)) is not None:
                count += 1
                yield result
        if not count and not (stop and stop.is_set()):
            raise SourceError(
                f"{info.source}: no frames; expected at least one. Is the file a video, and does "
                "it hold more than what --start skips?"
            )

    def _infer(self, frames: "_FrameQueue", results: "_ResultQueue", run: RunInfo) -> None:
        """Takes frames until the end and puts results; runs in the inference thread."""
        interval = float(1 / run.video.fps)
        last_time: float | None = None
        while (item := frames.get()) is not None:
            frame, decode_s, dropped = item
            dt = 1.0 if last_time is None else frame_intervals(frame.time_s - last_time, interval)
            last_time = frame.time_s
            watch = Stopwatch()
            watch.add("decode", decode_s)
            detections = self._detector.detect([frame], watch)[0]
            with watch.measure("embed"):
                detections = self._embedder.embed(frame, detections)
            camera: CameraMotion | None = None
            if self._camera_motion is not None:
                with watch.measure("camera"):
                    camera = self._camera_motion.estimate(frame, detections)
            with watch.measure("track"):
                tracks = self._tracker.step(detections, dt=dt, camera=camera)
            alive = self._tracker.alive
            results.put(TrackedFrame(frame, detections, tracks, watch.seconds, run, dropped, alive))
        results.put(None)


def frame_intervals(elapsed_s: float, interval_s: float) -> float:
    """Returns how many nominal frame intervals have passed.

    Time stamps are rounded to the container's unit (1 ms in Matroska: 33, 33, 34 ms at 30 fps), so
    what is within a tenth of a whole number of intervals is that number. Time that stands still or
    runs backwards, as in files with broken stamps, counts as one interval.

    Args:
        elapsed_s: Seconds since the last frame.
        interval_s: Nominal seconds between frames.

    Example:
        >>> frame_intervals(0.033, 1 / 30), frame_intervals(0.05, 1 / 30), frame_intervals(0, 1)
        (1.0, 1.5, 1.0)
    """
    if elapsed_s <= 0:
        return 1.0
    intervals = elapsed_s / interval_s
    whole = round(intervals)
    return float(whole) if whole and abs(intervals - whole) <= 0.1 else intervals


def _read(source: Source, frames: "_FrameQueue") -> None:
    """Puts the source's frames until its end; runs in the reader's thread."""
    iterator = iter(source)
    while True:
        start = time.perf_counter()
        frame = next(iterator, None)
        if frame is None:
            break
        frames.put(frame, time.perf_counter() - start)
    frames.end()


class _FrameQueue:
    """Frames on their way to inference; of a live source only the newest waits.

    Dropping the oldest keeps the delay of a camera at one frame however slow the detector is.
    """

    def __init__(self, stop: threading.Event, *, drop_oldest: bool) -> None:
        self._stop = stop
        self._drop_oldest = drop_oldest
        self._queue: Queue[tuple[Frame, float] | None] = Queue(1 if drop_oldest else QUEUE_SIZE)
        self._dropped = 0

    def put(self, frame: Frame, decode_s: float) -> None:
        """Waits for room, or makes room by dropping; stops the thread when told to."""
        if self._drop_oldest:
            try:
                self._queue.put_nowait((frame, decode_s))
                return
            except Full:
                try:
                    self._queue.get_nowait()
                    self._dropped += 1
                except Empty:  # the other side took it meanwhile
                    pass
        _put(self._queue, (frame, decode_s), self._stop)

    def end(self) -> None:
        """Tells the other side that no more frames come."""
        _put(self._queue, None, self._stop)

    def get(self) -> tuple[Frame, float, int] | None:
        """Returns a frame, the seconds that reading it took, and the frames dropped so far."""
        item = _get(self._queue, self._stop)
        return None if item is None else (*item, self._dropped)


class _ResultQueue:
    """Results on their way to the caller."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._queue: Queue[TrackedFrame | None] = Queue(QUEUE_SIZE)

    def put(self, result: TrackedFrame | None) -> None:
        """Waits for room; stops the thread when told to."""
        _put(self._queue, result, self._stop)

    def get(self, timeout_s: float) -> TrackedFrame | None:
        """Returns the next result, `None` at the end; raises `queue.Empty` after the time."""
        return self._queue.get(timeout=timeout_s) if timeout_s else self._queue.get_nowait()


class _Workers:
    """Threads that end together; the first error in any of them is kept for the caller."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._error: BaseException | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(_JOIN_S)
            if thread.is_alive():
                _log.warning("%s does not answer; it is left behind", thread.name)

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Runs `work()` in a new thread."""
        thread = threading.Thread(target=self._guard, args=(work,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def next_result(
        self, results: _ResultQueue, stop: threading.Event | None
    ) -> TrackedFrame | None:
        """Returns the next result or `None` at the end; raises what a worker raised."""
        while not (stop and stop.is_set()):
            # What was finished before the error still reaches the caller.
            failed = self._error is not None
            try:
                return results.get(0 if failed else _POLL_S)
            except Empty:
                if self._error is not None and failed:
                    raise self._error from None
        return None

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except _StopRequestedError:
            pass
        except BaseException as error:
            with self._lock:
                # A later error is a consequence of the first, which is what the user must see.
                if self._error is None:
                    self._error = error
                else:
                    _log.debug("another thread failed too", exc_info=error)
            self.stop.set()


def _put(queue: "Queue[ItemT]", item: ItemT, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            queue.put(item, timeout=_POLL_S)
            return
        except Full:
            continue
    raise _StopRequestedError


def _get(queue: "Queue[ItemT]", stop: threading.Event) -> ItemT:
    while not stop.is_set():
        try:
            return queue.get(timeout=_POLL_S)
        except Empty:
            continue
    raise _StopRequestedError
