"""Checks that the networks of this package run, and times one inference of each."""

import statistics
import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from tracker.detection.runtimes.base import choose_runtime
from tracker.detections import Detections
from tracker.doctor.check import Check, Status
from tracker.frames import Frame, VideoInfo
from tracker.inference.devices import Device
from tracker.inference.litert import available_cores
from tracker.inference.runtime_kind import RuntimeKind
from tracker.util.arrays import Float32Array

_WIDTH, _HEIGHT = 640, 360
_RUNS = 5
_BOX = (200.0, 60.0, 320.0, 340.0)


def detector_checks(name: str) -> list[Check]:
    """Returns whether a built-in detector runs, and its time.

    Args:
        name: One of `registry.builtin.DETECTORS`.
    """
    from tracker.detection.yolo_detector import YoloDetector

    detector, frame = YoloDetector.load_builtin(name), _frame()
    rate = Fraction(25)
    detector.start(VideoInfo("doctor", _WIDTH, _HEIGHT, fps=rate, time_base=1 / rate))
    milliseconds = inference_ms(lambda: detector.detect([frame]))
    runtime = choose_runtime(RuntimeKind.AUTO, Device())
    height, width = detector.input_size
    detail = (
        f"{milliseconds:.1f} ms a frame of {_WIDTH}x{_HEIGHT}: input {width}x{height}, "
        f"{runtime.value}, {_threads()}"
    )
    return [Check(f"detector {name}", Status.OK, detail, milliseconds=milliseconds)]


def appearance_checks() -> list[Check]:
    """Returns whether the built-in appearance network runs, and its time for one crop."""
    from tracker.embedding.crop_embedder import CropEmbedder

    embedder, frame = CropEmbedder.load_builtin(), _frame()
    found = Detections.create(_boxes(), [0.9], [0])
    milliseconds = inference_ms(lambda: embedder.embed(frame, found))
    detail = f"{milliseconds:.1f} ms a crop, {_threads()}"
    return [Check("appearance network", Status.OK, detail, milliseconds=milliseconds)]


def segmenter_checks() -> list[Check]:
    """Returns whether the built-in segmenter of people runs, and its time for one crop."""
    from tracker.segmentation.crop_segmenter import CropSegmenter

    segmenter, image = CropSegmenter.load_builtin(), _frame().image
    milliseconds = inference_ms(lambda: segmenter.opacity(image, _boxes()))
    detail = f"{milliseconds:.1f} ms a crop, 1 thread"
    return [Check("segmenter", Status.OK, detail, milliseconds=milliseconds)]


def inference_ms(run: Callable[[], object]) -> float:
    """Returns the median time of five calls in milliseconds, after one that is not counted."""
    run()
    times = []
    for _ in range(_RUNS):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return round(1e3 * statistics.median(times), 3)


def _frame() -> Frame:
    image = np.random.default_rng(0).integers(0, 256, (_HEIGHT, _WIDTH, 3), np.uint8)
    return Frame(image, index=0, time_s=0.0, source="doctor")


def _boxes() -> Float32Array:
    return np.array([_BOX], np.float32)


def _threads() -> str:
    count = available_cores()
    return "1 thread" if count == 1 else f"{count} threads"
