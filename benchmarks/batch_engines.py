"""The engines of `tracker batch` on one machine: frames a second by number of workers.

    python benchmarks/batch_engines.py ../shared/data/video/car-detection.mp4 --copies 2

Every worker has one processor, so inference has one thread. The time runs from the begin of the
first video to the end of the last one, without loading the models. Prints a table in Markdown, and
how many different recordings of the video there are: 1, as the engine changes no byte.
"""

import argparse
import hashlib
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

from tracker.cli.batch.engine import Engine
from tracker.cli.batch.jobs import Wanted, jobs_of
from tracker.cli.batch.local import Pool
from tracker.cli.batch.ray_cluster import RayOptions
from tracker.cli.batch.ray_engine import RayPool
from tracker.config.run import Config, load_config


def engine_of(name: str, workers: int, config: Config, out: Path) -> Engine:
    """Returns an engine whose workers have one processor each."""
    if name == "ray":
        return RayPool(config, Wanted(), str(out), RayOptions(workers=workers))
    return Pool(config, Wanted(), workers)


def measured(engine: Engine, folder: Path, out: Path) -> tuple[int, float]:
    """Returns the frames of all videos of a folder and the seconds that they took."""
    begins, ends, frames = [], [], 0
    with engine:
        jobs = jobs_of([str(folder)], str(out))
        for outcome in engine.run(jobs, lambda _: None, threading.Event()):
            if outcome.state != "done":
                raise SystemExit(f"{outcome.source}: {outcome.state}: {outcome.reason}")
            ends.append(time.monotonic())
            begins.append(ends[-1] - outcome.seconds)
            frames += outcome.frames
    return frames, max(ends) - min(begins)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--copies", type=int, default=2)
    parser.add_argument("--engines", nargs="+", default=["local", "ray"])
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--set", nargs="+", default=[], help="settings, as of tracker run")
    arguments = parser.parse_args()
    config = load_config(None, arguments.set)
    cores = sorted(os.sched_getaffinity(0))
    print(
        "| engine | workers | frames | s | frames/s | to 1 worker |\n|---|---:|---:|---:|---:|---:|"
    )
    digests = set()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text) / "videos"
        folder.mkdir()
        for number in range(arguments.copies):
            shutil.copy(arguments.video, folder / f"{number}{arguments.video.suffix}")
        for name in arguments.engines:
            first = 0.0
            for workers in arguments.workers:
                out = Path(text) / f"{name}-{workers}"
                # Processes inherit it; one process alone would take all processors.
                os.sched_setaffinity(0, cores[:workers] if name == "local" else cores)
                engine = engine_of(name, workers, config, out)
                frames, seconds = measured(engine, folder, out)
                os.sched_setaffinity(0, cores)
                first = first or seconds
                rate, ratio = frames / seconds, first / seconds
                print(
                    f"| {name} | {workers} | {frames} | {seconds:.1f} | {rate:.1f} | {ratio:.2f} |"
                )
                for path in out.glob("*.jsonl"):
                    # The first line names the copy.
                    digests.add(hashlib.sha256(path.read_bytes().split(b"\n", 1)[1]).hexdigest())
    print(f"\n{len(digests)} different recordings of the same video")


if __name__ == "__main__":
    main()
