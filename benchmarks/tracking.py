"""Milliseconds of one `DeepSort.step` by number of objects, beside peers that are installed.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/tracking.py --json speed.json
    python benchmarks/tracking.py --crowd 10000     # one scene of many boxes, ours alone

The scene, the same for all: 1920x1080, objects that walk and turn at the borders, 10 % misses, 5 %
false alarms, 128-d embeddings with noise, galleries of 100 that are full before the clock starts.
Only the step itself is timed: each tracker gets its own kind of input ready made.

A tracker that returned nothing would be fast. So beside each time stand the objects reported in a
step (90 % are detected) and the different ids over the timed steps (as many as objects, where each
keeps its id). Peers that are not installed are skipped; nothing is installed from here.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tracker.detections import Detections
from tracker.tracking.deepsort import DeepSort

WIDTH, HEIGHT, EMBEDDING = 1920, 1080, 128
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
GALLERY = 100
FILL = 130
"""Frames before the clock starts: 100 embeddings at 10 % misses take 112 on average."""

OURS = "tracker DeepSort"
CLOCKS = {"wall": time.perf_counter, "cpu": time.thread_time}


@dataclass(frozen=True, slots=True)
class Contender:
    """A tracker, ready for its first frame.

    Attributes:
        prepare: Turns detections into what `step` takes; not timed.
        step: The timed call.
        ids: Turns what `step` gave into the ids of the tracks seen in that frame; not timed.
    """

    prepare: Callable[[Detections], Any]
    step: Callable[[Any], Any]
    ids: Callable[[Any], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Result:
    """What one tracker took for one number of objects.

    Attributes:
        tracker: Name and version.
        objects: Objects in the scene.
        frames: Steps that were timed.
        median_ms: Median milliseconds of a step.
        reported: Mean number of tracks seen in a step.
        ids: Different ids over the timed steps.
        ratio: `median_ms` divided by ours.
    """

    tracker: str
    objects: int
    frames: int
    median_ms: float
    reported: float
    ids: int
    ratio: float


def scene(objects: int, frames: int, *, seed: int) -> Iterator[Detections]:
    """Yields the detections of a scene, frame by frame."""
    random = np.random.default_rng(seed)
    size = random.uniform([20, 50], [60, 150], (objects, 2))
    place = random.uniform([0, 0], [WIDTH, HEIGHT], (objects, 2))
    speed = random.normal(0, 3, (objects, 2))
    looks = random.normal(size=(objects, EMBEDDING))
    for _ in range(frames):
        place += speed
        outside = (place < 0) | (place > [WIDTH, HEIGHT])
        speed[outside] *= -1
        seen = random.random(objects) > 0.1
        false = random.poisson(0.05 * objects)
        centres = np.vstack([place[seen] + random.normal(0, 1.5, (seen.sum(), 2)),
                             random.uniform([0, 0], [WIDTH, HEIGHT], (false, 2))])  # fmt: skip
        sizes = np.vstack([size[seen], random.uniform([20, 50], [60, 150], (false, 2))])
        vectors = np.vstack([looks[seen], random.normal(size=(false, EMBEDDING))])
        vectors += random.normal(0, 0.2, vectors.shape)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        yield Detections.create(
            np.hstack([centres - sizes / 2, centres + sizes / 2]),
            random.uniform(0.5, 1, len(centres)),
            None,
            vectors,
        )


def ours() -> Contender:
    return Contender(lambda found: found, DeepSort().step, lambda tracks: tracks.ids.tolist())


def deep_sort_realtime() -> Contender:
    from deep_sort_realtime.deepsort_tracker import DeepSort as Peer

    # Without an embedder of its own: it gets the same embeddings as ours.
    peer = Peer(max_age=30, nn_budget=GALLERY, embedder=None)

    def prepare(found: Detections) -> tuple[list[Any], list[Any]]:
        boxes = found.boxes
        rows = [
            ([x1, y1, x2 - x1, y2 - y1], score, 0)
            for (x1, y1, x2, y2), score in zip(boxes.tolist(), found.scores.tolist(), strict=True)
        ]
        return rows, list(found.embeddings.copy())

    def ids(tracks: Any) -> list[int]:
        return [int(t.track_id) for t in tracks if t.is_confirmed() and not t.time_since_update]

    return Contender(prepare, lambda pair: peer.update_tracks(pair[0], embeds=pair[1]), ids)


def roboflow_sort() -> Contender:
    import supervision
    from trackers import SORTTracker

    peer = SORTTracker()

    def prepare(found: Detections) -> Any:
        return supervision.Detections(
            xyxy=found.boxes.copy(),
            confidence=found.scores.copy(),
            class_id=found.classes.astype(int),
        )

    def ids(tracked: Any) -> list[int]:
        return [int(number) for number in tracked.tracker_id if number >= 0]

    return Contender(prepare, peer.update, ids)


PEERS: dict[str, tuple[str, Callable[[], Contender]]] = {
    OURS: ("tracker-pipeline", ours),
    "trackers SORT (no appearance)": ("trackers", roboflow_sort),
    "deep_sort_realtime": ("deep-sort-realtime", deep_sort_realtime),
}


def measure(
    make: Callable[[], Contender], objects: int, words: argparse.Namespace
) -> tuple[int, float, float, int]:
    """Returns timed steps, median milliseconds, tracks a step, and different ids."""
    contender, clock = make(), CLOCKS[words.clock]
    times: list[float] = []
    reported: list[Sequence[int]] = []
    frames = words.frames
    for number, found in enumerate(scene(objects, FILL + words.frames, seed=1)):
        prepared = contender.prepare(found)
        start = clock()
        result = contender.step(prepared)
        spent = clock() - start
        if number >= FILL:
            times.append(spent)
            reported.append(contender.ids(result))
        elif number == FILL - 1 and 1000 * spent > words.slow_ms:
            frames = min(frames, words.slow_frames)
        if len(times) == frames:
            break
    different = {number for ids in reported for number in ids}
    in_a_step = float(np.mean([len(ids) for ids in reported]))
    return len(times), 1000 * float(np.median(times)), in_a_step, len(different)


def measure_all(words: argparse.Namespace, console: Console) -> list[Result]:
    """Returns the results of all that are installed, ours first."""
    results: list[Result] = []
    ours_ms: dict[int, float] = {}
    for name, (package, make) in PEERS.items():
        try:
            version = importlib.metadata.version(package)
            make()
        except ImportError as error:
            console.print(f"{name}: skipped, {error}")
            continue
        for objects in words.objects:
            frames, median_ms, reported, ids = measure(make, objects, words)
            ratio = median_ms / ours_ms.setdefault(objects, median_ms)
            label = f"{name} {version}"
            results.append(Result(label, objects, frames, median_ms, reported, ids, ratio))
    return results


def report(console: Console, results: Sequence[Result], clock: str) -> None:
    table = Table(title=f"median milliseconds of a step, {clock} time")
    for name in ("tracker", "objects", "ms", "x ours", "reported", "ids", "steps"):
        table.add_column(name, justify="left" if name == "tracker" else "right", no_wrap=True)
    last = ""
    for r in results:
        if r.tracker != last and last:
            table.add_section()
        last = r.tracker
        table.add_row(r.tracker, str(r.objects), f"{r.median_ms:.2f}", f"{r.ratio:.1f}",
                      f"{r.reported:.1f}", str(r.ids), str(r.frames))  # fmt: skip
    console.print(table)


def machine() -> dict[str, Any]:
    """Returns what the numbers depend on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = models[0].partition(":")[2].strip() if models else cpu
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": importlib.metadata.version("scipy"),
        **{name: os.environ.get(name, "unset") for name in THREAD_VARIABLES},
    }


def crowd_ms(count: int, *, steps: int = 10) -> float:
    """Returns the median milliseconds of a step with so many boxes, all over the image."""
    random = np.random.default_rng(0)
    place = random.uniform([0, 0], [WIDTH, HEIGHT], (count, 2))
    half = random.uniform(10, 30, (count, 2))
    deepsort, took = DeepSort(), []
    for _ in range(steps):
        centres = place + random.normal(0, 1, place.shape)
        boxes = np.hstack([centres - half, centres + half])
        found = Detections.create(boxes, random.uniform(0.5, 1, count))
        start = time.perf_counter()
        deepsort.step(found)
        took.append(time.perf_counter() - start)
    return 1000 * float(np.median(took[2:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, nargs="+", default=[10, 50, 100, 300])
    parser.add_argument("--frames", type=int, default=120, help="timed steps")
    parser.add_argument("--slow-ms", type=float, default=50, help="a step above this is slow")
    parser.add_argument("--slow-frames", type=int, default=20, help="timed steps of slow trackers")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: for a machine that others use too"
    )
    parser.add_argument("--crowd", type=int, help="boxes of 20 to 60 px, ours alone, and no more")
    parser.add_argument("--json", type=Path, help="file for the results as JSON")
    words = parser.parse_args()
    console = Console(width=100)  # piped, rich would take 80 and cut numbers off
    about = machine()
    console.print(", ".join(f"{key} {value}" for key, value in about.items()), highlight=False)
    if "1" not in (about["OMP_NUM_THREADS"], about["OPENBLAS_NUM_THREADS"]):
        console.print(f"not pinned to one thread: set {' and '.join(THREAD_VARIABLES)} to 1")
    if words.crowd is not None:
        console.print(f"{words.crowd} boxes: a step takes {crowd_ms(words.crowd):.0f} ms (median)")
        return
    results = measure_all(words, console)
    report(console, results, words.clock)
    if words.json is not None:
        rows = [asdict(result) for result in results]
        record = {"machine": about, "clock": words.clock, "results": rows}
        words.json.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
