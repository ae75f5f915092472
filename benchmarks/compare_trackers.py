"""Frames a second of this package and of another, on the same clip, on the same machine.

    python benchmarks/compare_trackers.py VIDEO --frames 200 --peers-python PATH

Each contender runs in a process of its own, after one another, `--rounds` times in turn, so that
a disturbance meets all of them; the best round counts. A short clip warms it up, then the clip's
frames are timed, decoding included, loading left out:

- `tracker`: file to JSON Lines with `--detector small` at 640 pixels and its appearance network.
- `deep_sort_realtime`: as its README calls it, with its MobileNet embedder.
- `norfair`, SORT of `trackers` and of `pyxtrackers`: as in `peer_trackers.py`, without appearance.

All but the first are fed by this package's detector, frame by frame, and write no JSON.

The others are installed by the user in an environment of their own, together with what this
package needs to detect there; `--peers-python` names its Python:

    python3 -m venv peers
    peers/bin/pip install deep-sort-realtime torchvision "setuptools<81"
    peers/bin/pip install ai-edge-litert av platformdirs pydantic pyyaml rich scipy typer

Prints a markdown table; peers that are not installed are skipped with a message. For this package
the table also has the share of wall time in which its networks ran.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
INPUT_SIZE = 640
WARM_UP_FRAMES = 10
RESULT = "result "
"""Prefix of the line on which a contender's process prints what it measured."""

NOT_HERE = 3
"""Exit code of a contender whose libraries are not installed."""

Measured = dict[str, Any]
Pass = Callable[[Path], tuple[int, int]]


def run_tracker(folder: Path) -> tuple[Pass, Measured]:
    """Returns what runs this package over a clip, and a mapping that it adds seconds to."""
    from tracker.config.build import build_pipeline, open_source
    from tracker.sinks.json_lines import JsonLinesSink

    config = _config()
    pipeline = build_pipeline(config)
    seconds: Measured = {}

    def once(clip: Path) -> tuple[int, int]:
        seconds.clear()
        frames = found = 0
        with (
            open_source(str(clip), config) as source,
            JsonLinesSink(str(folder / "out.jsonl")) as sink,
        ):
            for result in pipeline.run(source):
                sink.write(result)
                frames += 1
                found += len(result.detections)
                for stage, spent in result.timings_s.items():
                    seconds[stage] = seconds.get(stage, 0.0) + spent
        return frames, found

    return once, seconds


def run_deep_sort_realtime(folder: Path) -> tuple[Pass, Measured]:
    """Returns what runs deep_sort_realtime over a clip, fed by this package's detector."""
    del folder  # it keeps nothing
    from deep_sort_realtime.deepsort_tracker import DeepSort

    deepsort = DeepSort(max_age=5)

    def step(frame: Any, detections: Any) -> None:
        rows = zip(
            detections.boxes.tolist(),
            detections.scores.tolist(),
            detections.classes.tolist(),
            strict=True,
        )
        boxes = [([x, y, r - x, b - y], score, name) for (x, y, r, b), score, name in rows]
        # Its README passes OpenCV's images, which are BGR.
        deepsort.update_tracks(boxes, frame=frame.image[:, :, ::-1])

    return _detected(step), {}


def run_peer(folder: Path, *, library: str, tracker: str) -> tuple[Pass, Measured]:
    """Returns what runs a tracker of `peer_trackers.py` over a clip, fed by our detector.

    Args:
        folder: Not used; it keeps nothing.
        library: A key of `peer_trackers.MAKERS`.
        tracker: One of its trackers.
    """
    del folder
    import numpy as np
    from peer_trackers import MAKERS

    update = MAKERS[library](tracker, 25.0)

    def step(frame: Any, detections: Any) -> None:
        del frame
        update(np.column_stack([detections.boxes, detections.scores]).astype(np.float64), None)

    return _detected(step), {}


def _detected(step: Callable[[Any, Any], None]) -> Pass:
    """Returns what detects in each frame of a clip, and then calls `step` with both."""
    from tracker.config.build import open_source
    from tracker.config.build_detector import build_detector
    from tracker.util.stopwatch import Stopwatch

    config = _config()
    detector = build_detector(config)

    def once(clip: Path) -> tuple[int, int]:
        frames = found = 0
        with open_source(str(clip), config) as source:
            detector.start(source.info)
            for frame in source:
                detections = detector.detect([frame], Stopwatch())[0]
                step(frame, detections)
                frames += 1
                found += len(detections)
        return frames, found

    return once


CONTENDERS: dict[str, Callable[[Path], tuple[Pass, Measured]]] = {
    "tracker": run_tracker,
    "deep_sort_realtime": run_deep_sort_realtime,
    "norfair": partial(run_peer, library="norfair", tracker="IoU"),
    "trackers": partial(run_peer, library="trackers", tracker="SORT"),
    "pyxtrackers": partial(run_peer, library="pyxtrackers", tracker="SORT"),
}
PACKAGES = {
    "tracker": ("ai-edge-litert",),
    "deep_sort_realtime": ("deep-sort-realtime", "torch"),
    "norfair": ("norfair",),
    "trackers": ("trackers",),
    "pyxtrackers": ("pyxtrackers",),
}


def _config() -> Any:
    from tracker.config.run import load_config

    return load_config(
        overrides=["detector.name=small", f"detector.network.input_size={INPUT_SIZE}"]
    )


def contend(name: str, warm_up: Path, clip: Path) -> None:
    """Runs one contender in this process and prints what was measured."""
    from importlib.metadata import version

    with tempfile.TemporaryDirectory() as folder:
        try:
            once, seconds = CONTENDERS[name](Path(folder))
        except ImportError as error:
            print(error, file=sys.stderr)
            sys.exit(NOT_HERE)
        once(warm_up)
        start = time.perf_counter()
        frames, found = once(clip)
        wall = time.perf_counter() - start
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES[name])
    measured = {"frames": frames, "found": found, "wall_s": wall, "seconds": dict(seconds)}
    print(RESULT + json.dumps({**measured, "versions": versions}))


def write_clip(video: Path, out: Path, frames: int) -> Path:
    """Returns a file with a video's first frames as H.264, the same for all."""
    import av

    with av.open(str(video)) as source, av.open(str(out), "w") as target:
        stream = source.streams.video[0]
        rate = Fraction(stream.average_rate or 25)
        copy = target.add_stream("libx264", rate=rate, options={"crf": "18"})
        copy.width, copy.height, copy.pix_fmt = stream.width, stream.height, "yuv420p"
        for number, frame in enumerate(source.decode(stream)):
            if number == frames:
                break
            plain = frame.reformat(format="yuv420p")
            plain.pts, plain.time_base = number, 1 / rate
            target.mux(copy.encode(plain))
        target.mux(copy.encode(None))
    return out


def start(name: str, clips: tuple[Path, Path], python: str) -> Measured | None:
    """Returns what a contender measured in its process; `None` where it is not installed."""
    command = [python, str(Path(__file__).resolve()), "--contend", name, *map(str, clips)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    lines = [line for line in done.stdout.splitlines() if line.startswith(RESULT)]
    if done.returncode == 0 and lines:
        measured: Measured = json.loads(lines[-1].removeprefix(RESULT))
        return measured
    last = (done.stderr.strip() or "no reason given").splitlines()[-1]
    if done.returncode != NOT_HERE:
        sys.exit(f"{name} failed: {last}")
    print(f"{name}: skipped, {last}", file=sys.stderr)
    return None


def table(best: dict[str, Measured]) -> str:
    """Returns a markdown table; what a frame costs in milliseconds."""
    lines = ["| program | frames a second | ms a frame | detections a frame | versions |"]
    lines.append("|---|--:|--:|--:|---|")
    for name, measured in best.items():
        frames, wall = measured["frames"], measured["wall_s"]
        cells = [
            name,
            f"{frames / wall:.2f}",
            f"{1000 * wall / frames:.1f}",
            f"{measured['found'] / frames:.1f}",
            measured["versions"],
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def split(measured: Measured) -> str:
    """Returns where this package's wall time went."""
    frames, wall, seconds = measured["frames"], measured["wall_s"], measured["seconds"]
    stages = ", ".join(f"{name} {1000 * s / frames:.2f}" for name, s in seconds.items())
    infer, embed = seconds.get("infer", 0.0), seconds.get("embed", 0.0)
    return (
        f"tracker, ms a frame by stage (they overlap): {stages}\n"
        f"wall / inference of the detector: {wall / infer:.3f}\n"
        f"wall / inference of detector and appearance: {wall / (infer + embed):.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=[*CONTENDERS], default=[*CONTENDERS])
    parser.add_argument("--peers-python", default=sys.executable, help="Python of the others")
    parser.add_argument("--json", type=Path, help="file for all that was measured")
    words = parser.parse_args()
    rounds: dict[str, list[Measured]] = {}
    with tempfile.TemporaryDirectory() as folder:
        warm_up = write_clip(words.video, Path(folder) / "warm-up.mp4", WARM_UP_FRAMES)
        clip = write_clip(words.video, Path(folder) / "clip.mp4", words.frames)
        left = dict.fromkeys(words.only)
        for number in range(words.rounds):
            for name in tuple(left):
                python = sys.executable if name == "tracker" else words.peers_python
                measured = start(name, (warm_up, clip), python)
                if measured is None:
                    del left[name]
                    continue
                rounds.setdefault(name, []).append(measured)
                speed = measured["frames"] / measured["wall_s"]
                print(f"round {number + 1}: {name} {speed:.2f} frames/s", file=sys.stderr)
    best = {name: min(all_, key=lambda one: one["wall_s"]) for name, all_ in rounds.items()}
    print(f"{_processor()}, {len(os.sched_getaffinity(0))} cores, Python "
          f"{platform.python_version()}; {words.video.name}, {words.frames} frames, best of "
          f"{words.rounds}\n")  # fmt: skip
    print(table(best))
    if "tracker" in best:
        print("\n" + split(best["tracker"]))
    if words.json is not None:
        words.json.write_text(json.dumps(rounds, indent=2) + "\n")


def _processor() -> str:
    """Returns the processor's name where Linux tells it, else its kind."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--contend"]:
        contend(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        main()
