"""CPU time of analytics for each frame: ten zones and ten lines, 100 tracks that walk about.

    OPENBLAS_NUM_THREADS=1 python benchmarks/analytics.py

Times are CPU times of the thread. The same frames are run several times and the least time of each
counts, as other programs on the machine take its caches. Prints median, mean and 95th percentile
over the frames in milliseconds, and how many events there were.
"""

import argparse
import time

import numpy as np

from tracker.analytics.analyser import Analyser
from tracker.analytics.settings import AnalyticsSettings, Calibration, Line, Zone
from tracker.tracks import Tracks, TrackState

WIDTH, HEIGHT = 1920, 1080
FPS = 25
GROUND = Calibration(
    image=((0.0, 0.0), (1920.0, 0.0), (1920.0, 1080.0), (0.0, 1080.0)),
    ground=((0.0, 40.0), (40.0, 40.0), (26.0, 0.0), (14.0, 0.0)),
)


def shapes(count: int, rng: np.random.Generator) -> tuple[tuple[Zone, ...], tuple[Line, ...]]:
    """Returns zones with six corners and lines of two pieces."""
    zones, lines = [], []
    for number in range(count):
        middle = rng.uniform((250, 200), (WIDTH - 250, HEIGHT - 200))
        turn = np.sort(rng.uniform(0, 2 * np.pi, 6))
        corners = middle + np.stack([220 * np.cos(turn), 160 * np.sin(turn)], axis=1)
        zones.append(Zone(f"zone {number}", tuple(map(tuple, corners.tolist())), dwell_s=10.0))
        points = rng.uniform((0, 0), (WIDTH, HEIGHT), (3, 2))
        lines.append(Line(f"line {number}", tuple(map(tuple, points.tolist()))))
    return tuple(zones), tuple(lines)


def walkers(count: int, frames: int, rng: np.random.Generator) -> list[Tracks]:
    """Returns tracks of people who walk straight on and turn back at the border of the image."""
    feet = rng.uniform((50, 100), (WIDTH - 50, HEIGHT), (count, 2))
    velocity = rng.normal(0, 60, (count, 2)) / FPS
    result = []
    for _ in range(frames):
        feet = feet + velocity
        outside = (feet < (50, 100)) | (feet > (WIDTH - 50, HEIGHT))
        velocity[outside] *= -1
        seen = feet + rng.normal(0, 0.7, feet.shape)
        boxes = np.hstack([seen, seen]) + np.array([-20, -90, 20, 0])
        result.append(tracks_of(boxes.astype(np.float32)))
    return result


def tracks_of(boxes: np.ndarray) -> Tracks:
    count = len(boxes)
    return Tracks(
        ids=np.arange(1, count + 1),
        boxes=boxes,
        velocities=np.zeros((count, 2), np.float32),
        scores=np.ones(count, np.float32),
        classes=np.zeros(count, np.int32),
        class_scores=np.ones(count, np.float32),
        states=np.full(count, TrackState.CONFIRMED, np.uint8),
        ages=np.ones(count, np.int32),
        misses=np.zeros(count, np.int32),
        detection_index=np.arange(count, dtype=np.int32),
    )


def measured(settings: AnalyticsSettings, frames: list[Tracks], repeats: int) -> str:
    best = np.full(len(frames), np.inf)
    for _ in range(repeats):
        analyser = Analyser(settings, (WIDTH, HEIGHT), ["person"])
        events = 0
        for index, tracks in enumerate(frames):
            start = time.thread_time()
            events += len(analyser.update(tracks, index / FPS))
            best[index] = min(best[index], 1000 * (time.thread_time() - start))
    median, mean, late = np.median(best), best.mean(), np.quantile(best, 0.95)
    return f"median {median:.3f} ms, mean {mean:.3f}, p95 {late:.3f}; {events} events"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tracks", type=int, default=100)
    parser.add_argument("--shapes", type=int, default=10, help="zones, and as many lines")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    zones, lines = shapes(options.shapes, rng)
    frames = walkers(options.tracks, options.frames, rng)
    plain = AnalyticsSettings(zones=zones, lines=lines)
    print(f"zones and lines:            {measured(plain, frames, options.repeats)}")
    ground = AnalyticsSettings(zones=zones, lines=lines, calibration=GROUND)
    print(f"with speeds on the ground:  {measured(ground, frames, options.repeats)}")


if __name__ == "__main__":
    main()
