"""The built-in detectors beside every published network at hand: accuracy and time, in one run.

    python benchmarks/zoo.py --json zoo.json [--only TEXT ...] [--no-speed]

Accuracy in per cent on the 128 images of `detection/coco256` val2017, candidates down to a score of
0.01, as `tracker eval-detector --conf 0.01` computes it: AP50 of people, the mean AP50 of six
classes (person, bicycle, car, motorcycle, bus, truck), and mean AP50 and mean AP of COCO's 80.
Speed: the shortest of 40 calls with an image of 480x360, preprocessing and suppression included, on
one thread and on two, each in a process of its own. Networks of any input size are measured at long
sides of 320, 416, 512 and 640 pixels, others at their own size.

Rows are written to `--json` as they are measured, and rows already in it are kept: a run that was
interrupted continues. Prints a markdown table at the end. Files or runtimes that are missing are
skipped with a message.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from published_models import COCO, DATA, call_milliseconds

from tracker.cli.eval.detector import score
from tracker.config.build_detector import build_detector
from tracker.config.run import load_config
from tracker.detection.default_names import COCO_NAMES
from tracker.detections import TimedDetector
from tracker.evaluation.average_precision import AveragePrecision
from tracker.evaluation.labels import LabelledSet, read_yolo_labels
from tracker.registry.builtin import DETECTORS
from tracker.util.opencv import cv2

SIZES = (320, 416, 512, 640)
SIX = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
COLUMNS = {
    "person": "person AP50",
    "six": "six classes",
    "map50": "COCO-80 mAP50",
    "map": "mAP",
    "ms1": "ms, 1 thread",
    "ms2": "ms, 2 threads",
}

PUBLISHED = {
    "nanodet_plus/nanodet-plus-m-1.5x_dynamic.onnx": SIZES,
    "nanodet_plus/nanodet-plus-m_dynamic.onnx": SIZES,
    "nanodet_plus/nanodet-plus-m-1.5x_416_int8.param": (),
    "nanodet_plus/nanodet-plus-m_416_int8.param": (),
    "nanodet_plus/nanodet-plus-m_416.param": (),
    "nanodet_plus/nanodet-plus-m_320.param": (),
    "picodet/picodet-s-416.onnx": (),
    "picodet/picodet-s-416.param": (),
    "picodet/picodet_xs_416_processed.onnx": (),
    "yolox_nano/yolox_nano.onnx": (),
    "yolox_nano/yolox_nano.param": (),
    "deimv2/deimv2_hgnetv2_femto_coco.onnx": (),
    "deimv2/deimv2_hgnetv2_atto_coco.onnx": (),
    "rtmdet_nano/rtmdet_nano_person.onnx": (),
    "nanodet/nanodet.onnx": (),
    "nanodet/nanodet_m.onnx": (),
    "fastestdet/FastestDet.onnx": (),
    "yolo-fastest/yolo-fastest-1.1_coco/yolo-fastest-1.1.cfg": SIZES,
    "yolo-fastest/yolo-fastest-1.1_coco/yolo-fastest-1.1-xl.cfg": SIZES,
    "ssd_mobilenet_v1/detect.tflite": (),
    "pedestrian-detection-adas-0002/pedestrian-detection-adas-0002.xml": (),
}
"""Files below `shared/data/weights`, with the long sides to measure; none: the network's own."""

NAMES = {"nanodet/nanodet.onnx": "nanodet/coco.names"}

PEOPLE_ONLY = (
    "rtmdet_nano/rtmdet_nano_person.onnx",
    "pedestrian-detection-adas-0002/pedestrian-detection-adas-0002.xml",
)
"""Detectors of people, whose other names mean nothing."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        name: Of the detector, a built-in one or a file below the folder of weights.
        size: Long side of its input in pixels; `None` for its own.
    """

    name: str
    size: int | None

    @property
    def key(self) -> str:
        """Name in the table."""
        return self.name if self.size is None else f"{self.name} @ {self.size}"


def rows() -> list[Row]:
    """Returns all rows, the built-in detectors first."""
    own = [Row(name, size) for name in DETECTORS for size in SIZES]
    return own + [
        Row(name, size) for name, sizes in PUBLISHED.items() for size in (sizes or (None,))
    ]


def detector_of(row: Row, threads: int) -> TimedDetector:
    """Returns the detector, as `tracker run --detector` builds it."""
    weights = DATA / "weights"
    overrides = [
        f"detector.name={row.name if row.name in DETECTORS else weights / row.name}",
        f"detector.network.threads={threads}",
        "detector.network.confidence=0.01",
    ]
    if row.size is not None:
        overrides.append(f"detector.network.input_size={row.size}")
    if row.name in NAMES:
        overrides.append(f"detector.names={weights / NAMES[row.name]}")
    return build_detector(load_config(overrides=overrides))


def accuracy(detector: TimedDetector, people_only: bool) -> dict[str, float | None]:
    """Returns the accuracy in per cent; `None` where the detector lacks classes."""
    images = read_yolo_labels(COCO / "labels" / "val2017", COCO / "images" / "val2017").images
    labelled = LabelledSet(images, COCO_NAMES)
    known = {"person"} if people_only else set(detector.class_names)
    is_coco = set(COCO_NAMES) <= known
    six = [name for name in SIX if name in known]
    precision = score(labelled, detector, None if is_coco else six)
    return {
        "person": _ap50(precision, detector.class_names, ["person"]),
        "six": _ap50(precision, detector.class_names, SIX) if set(SIX) <= known else None,
        "map50": 100 * precision.map50 if is_coco else None,
        "map": 100 * precision.map if is_coco else None,
    }


def _ap50(precision: AveragePrecision, names: Sequence[str], wanted: Sequence[str]) -> float:
    found = [s.ap50 for number, s in precision.classes.items() if names[number] in wanted]
    return 100 * float(np.mean(found))


def child(row: Row, what: str) -> Any:
    """Measures one row: `accuracy`, or the time on one or two threads, `ms1` or `ms2`."""
    threads = 1 if what == "ms1" else 2
    cv2.setNumThreads(threads)
    detector = detector_of(row, threads)
    if what == "accuracy":
        return accuracy(detector, row.name in PEOPLE_ONLY)
    return {what: min(call_milliseconds(detector))}


def measured(row: Row, what: str) -> dict[str, float | None]:
    """Returns what `child` measures in a process of its own; nothing if it fails."""
    words = [sys.executable, __file__, "--child", row.name, str(row.size or 0), what]
    done = subprocess.run(words, env=dict(os.environ), capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"skipped: {row.key}, {what}: {last}", file=sys.stderr, flush=True)
        return {}
    values: dict[str, float | None] = json.loads(done.stdout.splitlines()[-1])
    return values


def print_markdown(found: Mapping[str, Mapping[str, float | None]]) -> None:
    """Prints the table."""
    print("| detector | " + " | ".join(COLUMNS.values()) + " |")
    print("|---|" + "---:|" * len(COLUMNS))
    for row in rows():
        if row.key not in found:
            continue
        values = [found[row.key].get(column) for column in COLUMNS]
        cells = ["" if value is None else f"{value:.1f}" for value in values]
        print(f"| {row.key} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="where rows are kept")
    parser.add_argument("--only", nargs="+", default=[""], help="rows whose name has one of these")
    parser.add_argument("--no-speed", action="store_true", help="accuracy only")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        name, size, what = arguments.child
        print(json.dumps(child(Row(name, int(size) or None), what)))
        return
    if not COCO.is_dir():
        sys.exit(f"{COCO}: no such folder; see the data's README")
    found: dict[str, dict[str, float | None]] = {}
    if arguments.json is not None and arguments.json.exists():
        found = json.loads(arguments.json.read_text(encoding="utf-8"))
    for row in rows():
        if not any(text in row.key for text in arguments.only):
            continue
        kept = found.setdefault(row.key, {})
        if "person" not in kept:
            kept.update(measured(row, "accuracy"))
        for what in () if arguments.no_speed else ("ms1", "ms2"):
            if "person" in kept and what not in kept:
                kept.update(measured(row, what))
        if arguments.json is not None:
            arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print_markdown(found)


if __name__ == "__main__":
    main()
