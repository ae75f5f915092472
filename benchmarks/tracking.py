"""Milliseconds of one `DeepSort.step` by number of objects, beside peers that are installed.

    OMP_NUM_THREADS=1 python benchmarks/tracking.py

The scene: 1920x1080, objects that walk and turn at the borders, 10 % misses, 5 % false alarms,
128-d embeddings with noise, a gallery of 100. Peers that are not installed are skipped; nothing is
installed from here.
"""

import argparse
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Iterator

import numpy as np
from rich.console import Console
from rich.table import Table

from tracker.detections import Detections
from tracker.tracking.deepsort import DeepSort

WIDTH, HEIGHT, EMBEDDING = 1920, 1080, 128
Step = Callable[[Detections], object]


def scene(objects: int, frames: int, *, embedding: int, seed: int) -> Iterator[Detections]:
    """Yields the detections of a scene, frame by frame."""
    random = np.random.default_rng(seed)
    size = random.uniform([20, 50], [60, 150], (objects, 2))
    place = random.uniform([0, 0], [WIDTH, HEIGHT], (objects, 2))
    speed = random.normal(0, 3, (objects, 2))
    looks = random.normal(size=(objects, embedding))
    for _ in range(frames):
        place += speed
        outside = (place < 0) | (place > [WIDTH, HEIGHT])
        speed[outside] *= -1
        seen = random.random(objects) > 0.1
        false = random.poisson(0.05 * objects)
        centres = np.vstack([place[seen] + random.normal(0, 1.5, (seen.sum(), 2)),
                             random.uniform([0, 0], [WIDTH, HEIGHT], (false, 2))])  # fmt: skip
        sizes = np.vstack([size[seen], random.uniform([20, 50], [60, 150], (false, 2))])
        vectors = np.vstack([looks[seen], random.normal(size=(false, embedding))])
        vectors += random.normal(0, 0.2, vectors.shape)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        yield Detections.create(
            np.hstack([centres - sizes / 2, centres + sizes / 2]),
            random.uniform(0.5, 1, len(centres)),
            None,
            vectors,
        )


def ours() -> Step:
    return DeepSort().step


def deep_sort_realtime() -> Step:
    from deep_sort_realtime.deepsort_tracker import DeepSort as Peer

    peer = Peer(max_age=30, nn_budget=100)

    def step(found: Detections) -> object:
        boxes = found.boxes
        rows = [
            ([x1, y1, x2 - x1, y2 - y1], float(score), 0)
            for (x1, y1, x2, y2), score in zip(boxes.tolist(), found.scores, strict=True)
        ]
        return peer.update_tracks(rows, embeds=list(found.embeddings))

    return step


def roboflow_sort() -> Step:
    import supervision
    from trackers import SORTTracker

    peer = SORTTracker()

    def step(found: Detections) -> object:
        return peer.update(
            supervision.Detections(
                xyxy=found.boxes.copy(),
                confidence=found.scores.copy(),
                class_id=found.classes.astype(int),
            )
        )

    return step


PEERS: dict[str, tuple[str, Callable[[], Step]]] = {
    "tracker DeepSort": ("tracker-pipeline", ours),
    "trackers SORT (no appearance)": ("trackers", roboflow_sort),
    "deep_sort_realtime": ("deep-sort-realtime", deep_sort_realtime),
}


def median_ms(make: Callable[[], Step], objects: int, frames: int) -> float:
    """Returns the median milliseconds of a step once galleries are full."""
    step, times = make(), []
    for found in scene(objects, frames, embedding=EMBEDDING, seed=1):
        start = time.perf_counter()
        step(found)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times[frames // 2 :]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, nargs="+", default=[10, 50, 100, 300])
    parser.add_argument("--frames", type=int, default=240)
    words = parser.parse_args()
    console = Console()
    console.print(
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python "
        f"{platform.python_version()}, NumPy {np.__version__}, OMP_NUM_THREADS="
        f"{os.environ.get('OMP_NUM_THREADS', 'unset')}"
    )
    table = Table(title="median milliseconds a step")
    table.add_column("tracker")
    for count in words.objects:
        table.add_column(f"{count} objects", justify="right")
    for name, (package, make) in PEERS.items():
        try:
            version = importlib.metadata.version(package)
            make()
        except ImportError as error:
            console.print(f"{name}: skipped, {error}")
            continue
        cells = [f"{median_ms(make, count, words.frames):.2f}" for count in words.objects]
        table.add_row(f"{name} {version}", *cells)
    console.print(table)


if __name__ == "__main__":
    main()
