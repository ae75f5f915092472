"""Stages that several runs in different threads share: one call at a time."""

import dataclasses
import threading
from collections.abc import Mapping, Sequence

from tracker.detection.function_detector import as_detector
from tracker.detections import Detections, Embedder, TimedDetector, digests_of
from tracker.frames import Frame, VideoInfo
from tracker.pipeline.multi import StageFactories
from tracker.util.stopwatch import Stopwatch


class SerialDetector:
    """A detector whose calls wait for each other.

    Args:
        detector: The detector.
        lock: Held during each call.
    """

    def __init__(self, detector: TimedDetector, lock: threading.Lock) -> None:
        self._detector, self._lock = detector, lock

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by class index."""
        return self._detector.class_names

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 by file name of the model files."""
        return self._detector.digests

    def start(self, info: VideoInfo) -> None:
        """Prepares for a new source."""
        with self._lock:
            self._detector.start(info)

    def detect(self, frames: Sequence[Frame], stopwatch: Stopwatch) -> list[Detections]:
        """Returns the detections of each frame; the wait for other calls counts as "share"."""
        with stopwatch.measure("share"):
            self._lock.acquire()
        try:
            return self._detector.detect(frames, stopwatch)
        finally:
            self._lock.release()


class SerialEmbedder:
    """An embedder whose calls wait for each other.

    Args:
        embedder: The embedder.
        lock: Held during each call.
    """

    def __init__(self, embedder: Embedder, lock: threading.Lock) -> None:
        self._embedder, self._lock = embedder, lock

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 by file name of the model files."""
        return digests_of(self._embedder)

    def embed(self, frame: Frame, detections: Detections) -> Detections:
        """Returns the detections with embeddings `(N, D)`."""
        with self._lock:
            return self._embedder.embed(frame, detections)


def one_call_at_a_time(factories: StageFactories) -> StageFactories:
    """Returns factories whose detectors and embedders may be used by several threads.

    All detectors share a lock, and so do all embedders.

    Args:
        factories: The factories of the stages; they may be called by several threads afterwards.
    """
    making, detecting, embedding = threading.Lock(), threading.Lock(), threading.Lock()

    def detector() -> SerialDetector:
        with making:
            return SerialDetector(as_detector(factories.detector()), detecting)

    def embedder() -> SerialEmbedder:
        with making:
            return SerialEmbedder(factories.embedder(), embedding)

    return dataclasses.replace(factories, detector=detector, embedder=embedder)
