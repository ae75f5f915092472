"""Accuracy and speed of this package's detectors and of others on people and vehicles.

    python benchmarks/detectors.py --ours small@416 --peers --json out.json [--only TEXT ...]

AP50 on images outside the training data: `detection/coco256` (val2017) and
every 10th frame of PETS09-S2L1, TUD-Campus and TUD-Stadtmitte (people only). All detectors give
their candidates down to a score of 0.05, cut by the same suppression, and are judged by the same
code (COCO's rules). Speed: milliseconds of a call on an image of 480x360, preprocessing included,
one detector after the other in one process, on 1 and on 2 threads.

Prints markdown tables, JSON with `--json`. Missing files or runtimes (ONNX Runtime, OpenVINO) are
skipped with a message.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tracker.detection.load import load_model
from tracker.detection.yolo_detector import DetectorSettings, YoloDetector
from tracker.detections import Detections
from tracker.errors import TrackerError
from tracker.evaluation.average_precision import ImageResult, average_precision
from tracker.evaluation.labels import read_yolo_labels
from tracker.frames import Frame, VideoInfo
from tracker.registry.builtin import DETECTORS, detector_files
from tracker.sources.files.video_file import VideoFile
from tracker.track_files.read import read_mot_rows
from tracker.training.labels.teachers import CANDIDATES, DetectorTeacher
from tracker.util.arrays import UInt8Array
from tracker.util.opencv import cv2
from tracker.util.stopwatch import Stopwatch

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
CLASSES = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
COCO_IDS = (0, 1, 2, 3, 5, 7)
SEQUENCES = ("PETS09-S2L1", "TUD-Campus", "TUD-Stadtmitte")
TEACHERS = (
    ("nanodet_plus/nanodet-plus-m-1.5x_dynamic", 416),
    ("nanodet_plus/nanodet-plus-m-1.5x_dynamic", 640),
    ("nanodet_plus/nanodet-plus-m_dynamic", 416),
    ("deimv2/deimv2_hgnetv2_femto_coco", None),
    ("picodet/picodet-s-416", None),
    ("yolox_nano/yolox_nano", None),
)
"""Networks that the labels of the built-in detectors come from, and long sides of their inputs."""

EVERY = 10
REPEATS = 15

_YOLO_FASTEST = DATA / "weights/yolo-fastest"
_COCO = _YOLO_FASTEST / "yolo-fastest-1.1_coco"


@dataclass(frozen=True, slots=True)
class LabelledFrame:
    """An image with its truth, boxes `(M, 4)` in pixels, classes by `CLASSES`."""

    image: UInt8Array
    boxes: Any
    classes: Any
    crowd: Any


class Ours:
    """One of our detectors on LiteRT, at any image size."""

    class_names: tuple[str, ...] = ()

    def __init__(self, name: str, *, long_side: int, threads: int) -> None:
        settings = DetectorSettings(
            confidence=CANDIDATES.confidence,
            iou=CANDIDATES.iou,
            max_detections=CANDIDATES.max_detections,
            input_size=long_side,
            threads=threads,
        )
        if name in DETECTORS:
            files = detector_files(name)
            self._net = YoloDetector.load_exported(files.exported, settings=settings)
        elif name.endswith(".tflite"):
            self._net = YoloDetector.load_exported(name, settings=settings)
        else:
            self._net = YoloDetector.load_keras(name, settings=settings)
        self.class_names = self._net.class_names

    def detect(self, image: UInt8Array) -> Detections:
        """Returns what is in an image, in its pixels."""
        height, width = image.shape[:2]
        self._net.start(VideoInfo("benchmark", width, height, Fraction(1), Fraction(1)))
        return self._net.detect(
            [Frame(image, index=0, time_s=0.0, source="benchmark")], Stopwatch()
        )[0]


def peer(path: Path, threads: int, side: int | None = None) -> DetectorTeacher:
    """Returns a published detector, a darknet `.cfg` or another network.

    Args:
        path: The file.
        threads: CPU threads.
        side: Long side of its input in pixels; `None` takes its own.
    """
    settings = DetectorSettings(
        confidence=CANDIDATES.confidence,
        iou=CANDIDATES.iou,
        max_detections=CANDIDATES.max_detections,
        input_size=side,
        threads=threads,
    )
    if path.suffix == ".cfg":
        weights = path.with_suffix(".weights")
        return DetectorTeacher(
            lambda: YoloDetector.load(path, weights=weights, settings=settings), path.stem
        )
    return DetectorTeacher(lambda: load_model(path, settings=settings), path.stem)


def makers(ours: Sequence[str], *, peers: bool) -> dict[str, Callable[[int], Any]]:
    """Returns what makes each detector for a number of threads, by its name in the tables."""
    made: dict[str, Callable[[int], Any]] = {}
    for word in ours:
        name, _, side = word.rpartition("@")
        made[f"{Path(name).name} {side}"] = lambda threads, name=name, side=side: Ours(
            name, long_side=int(side), threads=threads
        )
    if not peers:
        return made
    for stem in ("yolo-fastest-1.1", "yolo-fastest-1.1-xl"):
        for side in (320, 416, 640):
            made[f"{stem} {side}"] = lambda threads, stem=stem, side=side: peer(
                _COCO / f"{stem}.cfg", threads, side
            )
    weights = DATA / "weights"
    for stem, side in TEACHERS:
        made[f"{Path(stem).name} {side or ''}".strip()] = lambda threads, stem=stem, side=side: (
            peer(weights / f"{stem}.onnx", threads, side)
        )
    made["nanodet 320"] = lambda threads: peer(weights / "nanodet/nanodet.onnx", threads)
    made["nanodet_m 416"] = lambda threads: peer(weights / "nanodet/nanodet_m.onnx", threads)
    made["FastestDet 352"] = lambda threads: peer(weights / "fastestdet/FastestDet.onnx", threads)
    adas = "pedestrian-detection-adas-0002"
    made["pedestrian-adas 672x384"] = lambda threads: peer(weights / adas / f"{adas}.xml", threads)
    return made


def labelled(folder: str) -> Iterator[LabelledFrame]:
    """Returns the images of a folder of YOLO labels, the six classes kept."""
    root = DATA / "detection/coco256"
    for entry in read_yolo_labels(root / "labels" / folder, root / "images" / folder).images:
        image = cv2.imread(str(entry.path))[..., ::-1].copy()
        height, width = image.shape[:2]
        kept = np.isin(entry.classes, COCO_IDS)
        classes = [COCO_IDS.index(int(number)) for number in entry.classes[kept]]
        boxes = entry.boxes[kept] * np.array([width, height, width, height])
        yield LabelledFrame(image, boxes, np.array(classes, np.int32), entry.crowd[kept])


def video(name: str) -> Iterator[LabelledFrame]:
    """Returns every 10th frame of a sequence with the people in it."""
    rows = read_mot_rows(DATA / "mot15" / name / "gt/gt.txt")
    rows = rows[rows[:, 6] == 1]
    scale = 0.625 if name.startswith("PETS") else 1.0
    with VideoFile(DATA / "video" / f"{name}.mp4") as source:
        for frame in source:
            if frame.index % EVERY:
                continue
            boxes = rows[rows[:, 0] == frame.index + 1, 2:6] * scale
            boxes[:, 2:] += boxes[:, :2]
            person = np.zeros(len(boxes), np.int32)
            yield LabelledFrame(frame.image, boxes, person, person.astype(bool))


def judge(detector: Any, images: Sequence[LabelledFrame]) -> dict[str, float]:
    """Returns AP50 by class, in per cent."""
    place = {name: CLASSES.index(name) for name in detector.class_names if name in CLASSES}
    numbers = np.array([place.get(name, -1) for name in detector.class_names])
    results = []
    for labelled in images:
        found = detector.detect(labelled.image)
        classes = numbers[found.classes] if len(found) else np.zeros(0, int)
        kept = classes >= 0
        results.append(
            ImageResult(
                labelled.boxes,
                labelled.classes,
                labelled.crowd,
                found.boxes[kept],
                found.scores[kept],
                classes[kept].astype(np.int32),
            )
        )
    classes_found = average_precision(results).classes
    return {
        CLASSES[number]: 100 * scores.ap50
        for number, scores in classes_found.items()
        if CLASSES[number] in place
    }


def milliseconds(
    made: Mapping[str, Callable[[int], Any]], threads: int, image: UInt8Array
) -> dict[str, float]:
    """Returns the median time of a call by detector.

    One after the other, each alone: threads of a library that wait for its next call, as those of
    ONNX Runtime do, would take time from the others.
    """
    times = {}
    for name in made:
        detector = build({name: made[name]}, threads).get(name)
        if detector is None:
            continue
        seen = []
        for _ in range(REPEATS + 2):
            begin = time.perf_counter()
            detector.detect(image)
            seen.append(1e3 * (time.perf_counter() - begin))
        times[name] = float(np.median(seen[2:]))
    return times


def build(made: Mapping[str, Callable[[int], Any]], threads: int) -> dict[str, Any]:
    """Returns the detectors that are available here."""
    detectors = {}
    for name, make in made.items():
        try:
            detectors[name] = make(threads)
        except TrackerError as error:
            print(f"skipped: {name}: {error}", file=sys.stderr)
    return detectors


def accuracy(
    made: Mapping[str, Callable[[int], Any]], sets: Mapping[str, Sequence[LabelledFrame]]
) -> dict[str, Any]:
    """Returns AP50 by detector, set and class; prints a table row by row."""
    report = {}
    print("| detector | " + " | ".join(sets) + " | val2017, other classes |")
    print("|---|" + "---|" * (len(sets) + 1))
    for name, detector in build(made, 2).items():
        scores = {key: judge(detector, images) for key, images in sets.items()}
        report[name] = scores
        people = " | ".join(f"{score['person']:.1f}" for score in scores.values())
        others = ", ".join(f"{c} {scores['val2017'].get(c, 0.0):.0f}" for c in CLASSES[1:])
        print(f"| {name} | {people} | {others} |", flush=True)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--ours", nargs="*", default=["small@416", "nano@416"], help="NAME_OR_FILE@LONG_SIDE"
    )
    parser.add_argument("--peers", action="store_true", help="the others too")
    parser.add_argument("--only", nargs="+", default=[""], help="rows whose name has one of these")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--no-speed", action="store_true", help="accuracy only")
    only.add_argument("--no-accuracy", action="store_true", help="speed only")
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"{DATA}: no such folder; see the data's README")
    cv2.setNumThreads(1)
    sets = {"val2017": list(labelled("val2017"))}
    sets |= {name: list(video(name)) for name in SEQUENCES}
    made = makers(arguments.ours, peers=arguments.peers)
    made = {name: make for name, make in made.items() if any(t in name for t in arguments.only)}
    report: dict[str, Any] = {"machine": platform.machine(), "ap50": {}, "ms": {}}
    if not arguments.no_accuracy:
        report["ap50"] = accuracy(made, sets)
    if not arguments.no_speed:
        image = sets["PETS09-S2L1"][0].image
        by_threads = {n: milliseconds(made, n, image) for n in (1, 2)}
        report["ms"] = by_threads
        print("\n| detector, ms an image of 480x360 | 1 thread | 2 threads |\n|---|---|---|")
        for name, one in by_threads[1].items():
            print(f"| {name} | {one:.1f} | {by_threads[2][name]:.1f} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
