"""What tiles (`--slices`) gain on small people, and what they cost.

    python benchmarks/slices.py --grids off 2x2 --imgsz 416 --sets val2017 PETS09-S2L1

AP50 of people by their height in pixels of the image, with the built-in `small` down to a score of
0.01: truth of other heights is ignored, and so are detections of other heights that match none of
these. `train2017` is for choices, `val2017` and the videos (every 20th frame) for results.
Milliseconds are the median time of a call, preprocessing and merging included, after the network
was prepared for the frame size; "CPU ms" is the time of all threads, which other programs on the
machine change less.

Prints a markdown table.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from detectors import COCO_IDS, DATA, SEQUENCES, LabelledFrame, video

from tracker.boxes import pairwise_iou
from tracker.config.build_detector import build_detector
from tracker.config.run import load_config
from tracker.detections import Detections, TimedDetector
from tracker.evaluation.average_precision import ImageResult, average_precision
from tracker.frames import Frame, VideoInfo
from tracker.util.opencv import cv2

BANDS = ((0, 32), (32, 96), (96, np.inf), (0, np.inf))
"""Heights of people in pixels, from and below."""

SETS = ("train2017", "val2017", *SEQUENCES)


def images(name: str) -> Iterator[LabelledFrame]:
    """Returns the images of a set that have people, of videos every 20th frame."""
    source = coco(name) if name.endswith("2017") else list(video(name))[::2]
    return (one for one in source if (one.classes == 0).any())


def coco(folder: str) -> Iterator[LabelledFrame]:
    """Returns the images of a folder that have labels."""
    root = DATA / "detection/coco256"
    for path in sorted((root / "images" / folder).glob("*.jpg")):
        labels = root / "labels" / folder / f"{path.stem}.txt"
        if not labels.is_file():
            continue
        rows = np.loadtxt(labels, ndmin=2)
        rows = rows[np.isin(rows[:, 0], COCO_IDS)]
        image = cv2.imread(str(path))[..., ::-1].copy()
        sides = np.array([image.shape[1], image.shape[0]])
        boxes = np.hstack([rows[:, 1:3] - rows[:, 3:5] / 2, rows[:, 1:3] + rows[:, 3:5] / 2])
        classes = np.searchsorted(COCO_IDS, rows[:, 0]).astype(np.int32)
        yield LabelledFrame(image, boxes * np.tile(sides, 2), classes, np.zeros(len(rows), bool))


def detector(grid: str, arguments: argparse.Namespace) -> TimedDetector:
    """Returns the detector with this value of `--slices`."""
    return build_detector(
        load_config(
            overrides=[
                f"detector.name={arguments.detector}",
                f'detector.slices="{grid}"',
                f"detector.slice_overlap={arguments.overlap}",
                f"detector.network.input_size={arguments.imgsz}",
                f"detector.network.threads={arguments.threads}",
                "detector.network.confidence=0.01",
                'detector.network.classes=["person"]',
            ]
        )
    )


def measured(
    found_by: TimedDetector, frames: Sequence[LabelledFrame]
) -> tuple[list[Detections], float, float]:
    """Returns the detections in each image, the median milliseconds of a call, and of its CPU."""
    found, times, cpu_times, started = [], [], [], set()
    for one in frames:
        height, width = one.image.shape[:2]
        frame = Frame(one.image, index=0, time_s=0.0, source="benchmark")
        if (width, height) not in started:
            found_by.start(VideoInfo("benchmark", width, height, Fraction(1), Fraction(1)))
            started.add((width, height))
        begin, cpu_begin = time.perf_counter(), time.process_time()
        found.append(found_by.detect([frame])[0])
        times.append(1e3 * (time.perf_counter() - begin))
        cpu_times.append(1e3 * (time.process_time() - cpu_begin))
    return found, float(np.median(times)), float(np.median(cpu_times))


def ap50(
    found: Sequence[Detections], frames: Sequence[LabelledFrame], lowest: float, highest: float
) -> float:
    """Returns the AP50 in per cent of people with a height in `[lowest, highest)`; NaN for none."""
    results, count = [], 0
    for detections, one in zip(found, frames, strict=True):
        people = one.classes == 0
        truth, boxes = one.boxes[people], detections.boxes
        outside = one.crowd[people] | ~in_band(truth, lowest, highest)
        count += int(np.count_nonzero(~outside))
        matches = pairwise_iou(boxes, truth[~outside]).max(axis=1, initial=0) >= 0.5
        kept = matches | in_band(boxes, lowest, highest)
        none = np.zeros(len(truth), np.int32)
        results.append(
            ImageResult(
                truth, none, outside, boxes[kept], detections.scores[kept], detections.classes[kept]
            )
        )
    return 100 * average_precision(results).classes[0].ap50 if count else np.nan


def in_band(boxes: Any, lowest: float, highest: float) -> Any:
    height = boxes[:, 3] - boxes[:, 1]
    return (height >= lowest) & (height < highest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", default="small")
    parser.add_argument("--grids", nargs="+", default=["off", "2x2", "3x3"], help="of --slices")
    parser.add_argument("--overlap", type=float, default=0.2)
    parser.add_argument("--imgsz", default="416", help="long side of the network's input, or auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["val2017", "PETS09-S2L1"])
    arguments = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"{DATA}: no such folder; see the data's README")
    print("| images | slices | people < 32 px | 32 to 96 px | >= 96 px | all | ms | CPU ms |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for name in arguments.sets:
        frames = list(images(name))
        for grid in arguments.grids:
            found, wall_ms, cpu_ms = measured(detector(grid, arguments), frames)
            scores = " | ".join(f"{ap50(found, frames, *band):.1f}" for band in BANDS)
            print(f"| {name} | {grid} | {scores} | {wall_ms:.0f} | {cpu_ms:.0f} |", flush=True)


if __name__ == "__main__":
    main()
