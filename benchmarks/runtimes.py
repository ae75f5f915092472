"""Milliseconds of a detector's network under each runtime that can run it, in one run.

Each detector is given one frame, in rounds that take turns, so that a disturbance of the machine
meets all runtimes; the figure is the shortest call, with the median in brackets.

    python benchmarks/runtimes.py nanodet.onnx pedestrians.xml small --threads 1,2
"""

import argparse
import statistics
import sys
from fractions import Fraction

import numpy as np

from tracker.config.build_detector import build_detector
from tracker.config.run import load_config
from tracker.detections import TimedDetector
from tracker.errors import TrackerError
from tracker.frames import Frame, VideoInfo
from tracker.util.machine import cpu_model
from tracker.util.stopwatch import Stopwatch

RUNTIMES = ("litert", "onnxruntime", "openvino", "openvino bf16")
CALLS = 5
"""Calls of one round: the first warm up caches and threads."""


def started(model: str, runtime: str, threads: int, info: VideoInfo) -> TimedDetector | None:
    """Returns a detector that is ready, or `None` if the runtime does not run it."""
    name, _, number = runtime.partition(" ")
    words = [
        f"detector.name={model}",
        f"detector.network.runtime={name}",
        f"detector.network.threads={threads}",
        f"detector.network.half={str(number == 'bf16').lower()}",
        "detector.network.device=cpu",
    ]
    try:
        detector = build_detector(load_config(None, words))
        detector.start(info)
    except TrackerError as error:
        print(f"{model}, {runtime}: {error}", file=sys.stderr)
        return None
    return detector


def infer_ms(detector: TimedDetector, frame: Frame) -> float:
    stopwatch = Stopwatch()
    detector.detect([frame], stopwatch)
    return stopwatch.seconds["infer"] * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="as --detector of tracker run")
    parser.add_argument("--threads", default="1,2", help="numbers of threads [1,2]")
    parser.add_argument("--size", default="640x480", help="width and height of the frame [640x480]")
    parser.add_argument("--rounds", type=int, default=10, help="rounds of five calls [10]")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    info = VideoInfo("noise", width, height, Fraction(25), Fraction(1, 25))
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    frame = Frame(pixels, 0, 0.0, "noise")
    print(f"{cpu_model()}; ms: shortest (median) of {arguments.rounds * CALLS} calls")
    print("model", "threads", *RUNTIMES, sep="\t")
    for model in arguments.models:
        for threads in map(int, arguments.threads.split(",")):
            detectors = {name: started(model, name, threads, info) for name in RUNTIMES}
            spent: dict[str, list[float]] = {name: [] for name in RUNTIMES}
            for _ in range(arguments.rounds):
                for name, detector in detectors.items():
                    if detector is not None:
                        spent[name] += [infer_ms(detector, frame) for _ in range(CALLS)]
            cells = [
                f"{min(times):.1f} ({statistics.median(times):.1f})" if times else "-"
                for times in spent.values()
            ]
            print(model.rsplit("/", 1)[-1], threads, *cells, sep="\t", flush=True)


if __name__ == "__main__":
    main()
