"""Accuracy and speed of the detectors in the registry: the key `measured` of registry.yaml.

    python benchmarks/published_models.py [NAME ...] [--no-accuracy] [--no-speed] [--write]

Files are taken from `shared/data/weights` by their SHA-256. AP50 of people and mean AP50 of COCO's
80 classes on the 128 images of `detection/coco256` val2017, candidates down to a score of 0.01, as
`tracker eval-detector --conf 0.01` computes them. Speed: the median of 40 calls with an image of
480x360, preprocessing and suppression included, each model and number of threads in a process of
its own; run it on an idle machine. `--write` puts the numbers into the registry.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tracker.cli.eval.detector import score
from tracker.config.build_detector import build_detector
from tracker.config.run import load_config
from tracker.detection.default_names import COCO_NAMES
from tracker.detections import TimedDetector
from tracker.evaluation.labels import LabelledSet, read_yolo_labels
from tracker.frames import Frame, VideoInfo
from tracker.registry.entries import ModelEntry, Task
from tracker.registry.models import FILE, read_registry
from tracker.util.opencv import cv2
from tracker.util.stopwatch import Stopwatch

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
COCO = DATA / "detection" / "coco256"
CALLS, WARM_UP = 40, 3


def fill_cache(entry: ModelEntry, cache: Path) -> bool:
    """Returns whether all files of an entry are at hand, after copying them into a cache."""
    known = {
        hashlib.sha256(path.read_bytes()).hexdigest(): path
        for path in (DATA / "weights").rglob("*")
        if path.is_file() and path.stat().st_size in {file.size for file in entry.files}
    }
    if any(file.sha256 not in known for file in entry.files):
        return False
    folder = cache / "tracker" / "models" / entry.name
    folder.mkdir(parents=True, exist_ok=True)
    for file in entry.files:
        shutil.copy(known[file.sha256], folder / file.name)
    return True


def detector_of(name: str, threads: int) -> TimedDetector:
    """Returns the detector of a name, as `tracker run --detector NAME` builds it."""
    overrides = [
        f"detector.name={name}",
        f"detector.network.threads={threads}",
        "detector.network.confidence=0.01",
    ]
    return build_detector(load_config(overrides=overrides))


def accuracy(detector: TimedDetector) -> dict[str, float | None]:
    """Returns AP50 of people, and the mean of COCO's classes for a detector of all of them."""
    images = read_yolo_labels(COCO / "labels" / "val2017", COCO / "images" / "val2017").images
    # By name: TensorFlow's networks number the classes otherwise than the labels.
    labelled = LabelledSet(images, COCO_NAMES)
    is_coco = set(COCO_NAMES) <= set(detector.class_names)
    precision = score(labelled, detector, None if is_coco else ["person"])
    return {
        "person_ap50": round(100 * precision.classes[0].ap50, 1),
        "map50": round(100 * precision.map50, 1) if is_coco else None,
    }


def call_milliseconds(detector: TimedDetector) -> list[float]:
    """Returns the time of each of 40 calls with an image of 480x360."""
    image = cv2.imread(str(sorted((COCO / "images" / "val2017").iterdir())[0]))[..., ::-1]
    image = np.ascontiguousarray(cv2.resize(image, (480, 360)))
    detector.start(VideoInfo("benchmark", 480, 360, Fraction(1), Fraction(1)))
    frame = Frame(image, index=0, time_s=0.0, source="benchmark")
    seen = []
    for _ in range(WARM_UP + CALLS):
        begin = time.perf_counter()
        detector.detect([frame], Stopwatch())
        seen.append(1e3 * (time.perf_counter() - begin))
    return seen[WARM_UP:]


def child(name: str, threads: int, what: str) -> None:
    """Measures one model on a number of threads, and prints it as JSON."""
    cv2.setNumThreads(threads)
    detector = detector_of(name, threads)
    if what == "accuracy":
        print(json.dumps(accuracy(detector)))
    else:
        print(round(float(np.median(call_milliseconds(detector))), 1))


def result_of_child(name: str, threads: int, what: str, cache: Path) -> Any:
    """Returns what `child` measures in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, name, "--child", str(threads), what],
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{name}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def write(measured: Mapping[str, Mapping[str, Any]]) -> None:
    """Puts values into the registry, into the line of a model below its classes."""
    text = FILE.read_text(encoding="utf-8")
    for name, new in measured.items():
        old = read_registry().entries[name].measured
        known = {} if old is None else dataclasses.asdict(old)
        values = {key: value for key, value in {**known, **new}.items() if value is not None}
        shown = ", ".join(f"{key}: {json.dumps(value)}" for key, value in values.items())
        begin = text.index(f"\n  {name}:\n")
        entry = re.compile(r"(\n    classes: [^\n]*)(\n    measured: [^\n]*)?")
        line = f"\n    measured: {{{shown}}}"
        text = text[:begin] + entry.sub(lambda m, new=line: m[1] + new, text[begin:], count=1)
    FILE.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="models of the registry [all detectors]")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--no-accuracy", action="store_true", help="speed only")
    only.add_argument("--no-speed", action="store_true", help="accuracy only")
    parser.add_argument("--write", action="store_true", help="put the numbers into registry.yaml")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        threads, what = arguments.child
        child(arguments.names[0], int(threads), what)
        return
    entries = read_registry().entries
    wanted = arguments.names or [e.name for e in entries.values() if e.task is Task.DETECTOR]
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        for name in wanted:
            if not fill_cache(entries[name], cache):
                print(f"skipped: {name}: its files are not in {DATA}", file=sys.stderr)
                continue
            found: dict[str, Any] = {}
            if not arguments.no_accuracy:
                found |= result_of_child(name, 2, "accuracy", cache)
            if not arguments.no_speed:
                found["ms"] = [result_of_child(name, n, "speed", cache) for n in (1, 2)]
            print(name, json.dumps(found), flush=True)
            if arguments.write:
                write({name: found})


if __name__ == "__main__":
    main()
