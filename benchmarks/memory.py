"""Memory and speed of `DeepSort` over a long run.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/memory.py --frames 1000000

A scene without end: objects enter at a border, cross and leave, about 15 at a time, of 80 classes
that flicker, with misses, false alarms, 128-d embeddings and galleries of 100. Some thousand frames
are made before and played again and again; each round has other classes and embeddings, and starts
with a gap longer than a track's life, so that all objects are new to the tracker.

Prints resident memory and frames a second for each part of the run, then the
growth since the warm-up; exit code 1 if it grew by more than `--limit-mb`.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tracker.detections import Detections
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.settings import DeepSortSettings
from tracker.util.arrays import Float32Array, Int32Array

WIDTH, HEIGHT, EMBEDDING, CLASSES = 1280, 720, 128, 80
ROUND = 4000
"""Frames made before; they take about 30 MB."""

ENTER = 0.05
"""Objects that enter a frame, on average; each stays some 300 frames."""

FLOAT32_BYTES = 4
STATM = Path("/proc/self/statm")

Shot = tuple[Float32Array, Float32Array, Int32Array, Float32Array]


def play(frames: int, seed: int) -> Iterator[tuple[Detections, float]]:
    """Yields detections and the frame intervals since the last ones, ever new objects."""
    shots = make_round(np.random.default_rng(seed))
    gap = DeepSortSettings().max_age_s * 30 + 1  # frames of 1/30 s, where none are named
    for number in range(frames):
        turn, place = divmod(number, ROUND)
        boxes, scores, classes, looks = shots[place]
        # Other looks and classes each round, for the price of two small copies.
        detections = Detections.create(
            boxes, scores, (classes + turn) % CLASSES, np.roll(looks, turn, axis=1)
        )
        yield detections, 1.0 if place or not turn else gap


def make_round(random: np.random.Generator) -> list[Shot]:
    """Returns boxes, scores, classes and embeddings of each frame of one round."""
    lives = [_life(random, start) for start in _entries(random)]
    shots = []
    for number in range(ROUND):
        seen = [life[number] for life in lives if number in life and random.random() > 0.1]
        seen += [_false_alarm(random) for _ in range(random.poisson(0.5))]
        boxes = np.array([box for box, _, _ in seen], np.float32).reshape(-1, 4)
        classes = np.array([c for _, c, _ in seen], np.int32)
        looks = np.array([look for _, _, look in seen], np.float32).reshape(-1, EMBEDDING)
        looks += random.normal(0, 0.2, looks.shape).astype(np.float32)
        looks /= np.maximum(np.linalg.norm(looks, axis=1, keepdims=True), 1e-9)
        boxes += random.normal(0, 1, boxes.shape).astype(np.float32)
        shots.append((boxes, random.uniform(0.3, 1, len(seen)).astype(np.float32), classes, looks))
    return shots


def _entries(random: np.random.Generator) -> list[int]:
    return [n for n in range(-300, ROUND) for _ in range(random.poisson(ENTER))]


def _life(
    random: np.random.Generator, start: int
) -> dict[int, tuple[Float32Array, int, Float32Array]]:
    """Returns box, class and look of an object by frame, from one border to the other."""
    height = random.uniform(60, 200)
    size = np.array([random.uniform(0.3, 1.2) * height, height])
    speed = random.uniform(2, 8)
    drift = random.normal(0, 0.3)
    leftward = random.random() < 0.5
    top = random.uniform(0.2, 0.8) * HEIGHT
    look = random.normal(size=EMBEDDING).astype(np.float32)
    usual = int(random.integers(CLASSES))
    life = {}
    for step in range(int(WIDTH / speed)):
        x = WIDTH - speed * step if leftward else speed * step
        centre = np.array([x, top + drift * step])
        other = random.random() < 0.1
        number = int(random.integers(CLASSES)) if other else usual
        box = np.concatenate([centre - size / 2, centre + size / 2]).astype(np.float32)
        life[start + step] = (box, number, look)
    return life


def _false_alarm(random: np.random.Generator) -> tuple[Float32Array, int, Float32Array]:
    centre, size = random.uniform([0, 0], [WIDTH, HEIGHT]), random.uniform(40, 150, 2)
    box = np.concatenate([centre - size / 2, centre + size / 2]).astype(np.float32)
    look = random.normal(size=EMBEDDING).astype(np.float32)
    return box, int(random.integers(CLASSES)), look


def resident_mb() -> float:
    """Returns the megabytes of this process that lie in memory."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def run(words: argparse.Namespace) -> float:
    """Returns the growth in MB from the end of the warm-up to the end."""
    deepsort = DeepSort()
    before = resident_mb()
    last_id = most_tracks = 0
    warm = growth = 0.0
    mark, mark_frame = time.perf_counter(), 0
    for done, (detections, dt) in enumerate(play(words.warm_up + words.frames, seed=0), 1):
        tracks = deepsort.step(detections, dt=dt)
        last_id = max(last_id, int(tracks.ids[-1])) if len(tracks) else last_id
        most_tracks = max(most_tracks, deepsort.track_count)
        if done == words.warm_up or (done > words.warm_up and
                                     (done - words.warm_up) % words.every == 0):  # fmt: skip
            now, here = time.perf_counter(), resident_mb()
            warm = here if done == words.warm_up else warm
            print(f"{done - words.warm_up:>9} frames  {here:7.1f} MB  {here - warm:+6.2f} MB  "
                  f"{(done - mark_frame) / (now - mark):6.0f} frames/s  {last_id} ids so far, "
                  f"{deepsort.track_count} tracks", flush=True)  # fmt: skip
            mark, mark_frame = time.perf_counter(), done
        if done == words.warm_up + words.frames:
            # Not after the loop: its end frees the frames made before.
            growth = resident_mb() - warm
    gallery = deepsort.settings.gallery_size * EMBEDDING * FLOAT32_BYTES
    print(f"resident before the first frame {before:.1f} MB; growth since the warm-up "
          f"{growth:+.2f} MB over {words.frames} frames and {last_id} ids")  # fmt: skip
    print(
        f"at most {most_tracks} tracks at once, {gallery / 1e3:.1f} kB of gallery each: "
        f"{most_tracks * gallery / 1e6:.2f} MB; reserved {deepsort.gallery_nbytes / 1e6:.2f} MB"
    )
    return growth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--warm-up", type=int, default=2 * ROUND, help="frames before the first")
    parser.add_argument("--every", type=int, default=100_000, help="frames between two lines")
    parser.add_argument("--limit-mb", type=float, default=5.0, help="growth that is a failure")
    words = parser.parse_args()
    if not STATM.is_file():
        print("skipped: resident memory is read from /proc, which this system has not")
        return
    print(f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}")
    growth = run(words)
    if growth > words.limit_mb:
        sys.exit(f"grew by {growth:.1f} MB; expected at most {words.limit_mb}")


if __name__ == "__main__":
    main()
