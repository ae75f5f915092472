"""A fleet of workers of `tracker batch --engine ray`, simulated: hours, utilisation and cost.

    python benchmarks/fleet.py --hours 100000 --workers 2000 --split 10
    python benchmarks/fleet.py --table

A discrete-event simulation. Videos of uneven length wait in one queue; a worker loads the models
once, copies a video from the store, processes it frame by frame at the measured cost, and copies
the results back. Workers are lost at random: the video is first in the queue again, from its last
checkpoint, and another worker starts after the time that a machine takes to boot. Not simulated:
the driver, Ray itself, disks. Figures that are not options are constants below, with where they
come from.
"""

import argparse
import heapq
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

FRAME_S = 0.039
"""Seconds a frame on one processor: `benchmarks/batch_engines.py`, Ray, 1 worker, 768x432."""
LOAD_S = 8.0
"""Python, libraries and models; measured 4 to 8 s on a busy machine."""
JOIN_S = 0.001
"""Seconds a frame to join pieces: measured on PETS09-S2L1, 795 frames with 5 tracks each."""
OVERLAP_S = 10.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is simulated.

    Attributes:
        hours: Hours of video.
        mean_h: Mean length of a video in hours.
        spread: Standard deviation of the logarithm of the length; 0 for equal lengths.
        fps: Frames a second of the videos.
        workers: Number of workers, one processor each.
        frame_s: Seconds a frame.
        load_s: Seconds to load the models.
        boot_s: Seconds until a lost worker is replaced, without loading.
        lost_per_h: Losses of each worker an hour.
        checkpoint_s: Seconds between two checkpoints that another worker can read.
        split_s: Length of pieces in seconds; `None` for whole videos.
        longest_first: Whether the queue is sorted by length; else it is random.
        mbit: Bits of a second of video, in millions.
        store_gbit: What the store delivers to all workers, in Gbit/s.
        worker_gbit: What it delivers to one.
        seed: Of lengths and losses.
    """

    hours: float = 100_000.0
    mean_h: float = 1.0
    spread: float = 1.0
    fps: float = 25.0
    workers: int = 2000
    frame_s: float = FRAME_S
    load_s: float = LOAD_S
    boot_s: float = 180.0
    lost_per_h: float = 0.05
    checkpoint_s: float = 10.0
    split_s: float | None = None
    longest_first: bool = False
    mbit: float = 4.0
    store_gbit: float = 100.0
    worker_gbit: float = 0.5
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What the simulation gives.

    Attributes:
        hours: From the start to the last result.
        jobs: Number of videos or pieces.
        worker_hours: Time of all workers, idle time at the end included.
        useful_share: Share of it that is the processing of frames that are kept.
        lost: Number of lost workers.
        redone_h: Hours of work that were done twice.
        store_share: Mean load of the store as a share of what it delivers.
    """

    hours: float
    jobs: int
    worker_hours: float
    useful_share: float
    lost: int
    redone_h: float
    store_share: float


@dataclass(slots=True)
class _Job:
    """Seconds of video to copy, and seconds of work that are left."""

    video_s: float
    left_s: float


def simulate(fleet: Fleet) -> Result:
    """Returns the result of one run.

    Example:
        >>> equal = Fleet(hours=4, mean_h=1, spread=0, workers=2, lost_per_h=0, load_s=0, mbit=0)
        >>> simulate(replace(equal, frame_s=0.04)).hours
        2.0
    """
    random = np.random.default_rng(fleet.seed)
    lengths = _lengths(fleet, random)
    queue = deque(_Job(s, s * fleet.fps * fleet.frame_s) for s in _jobs(fleet, lengths))
    count, useful = len(queue), sum(job.left_s for job in queue)
    events = [(fleet.load_s, worker) for worker in range(fleet.workers)]
    lost = redone_s = bits = end_s = 0.0
    running: dict[int, tuple[_Job, float, float]] = {}
    """Job of each busy worker, when the copy of its video ends, and when all ends."""
    store_free_s = 0.0
    while events:
        now_s, worker = heapq.heappop(events)
        if worker in running:
            job, copied_s, done_at_s = running.pop(worker)
            if now_s < done_at_s:  # It was lost.
                done_s = max(now_s - copied_s, 0.0)
                kept_s = done_s - done_s % fleet.checkpoint_s
                redone_s += done_s - kept_s
                lost += 1
                job.left_s -= kept_s
                queue.appendleft(job)
                heapq.heappush(events, (now_s + fleet.boot_s + fleet.load_s, worker))
                continue
            end_s = max(end_s, now_s)
        if not queue:
            continue
        job = queue.popleft()
        size = job.video_s * fleet.mbit * 1e6
        bits += size
        # The store serves one copy after the other, each worker at its own rate at most.
        store_free_s = max(store_free_s, now_s) + size / (fleet.store_gbit * 1e9)
        copied_s = max(now_s + size / (fleet.worker_gbit * 1e9), store_free_s)
        done_at_s = copied_s + job.left_s
        next_loss_s = random.exponential(3600 / fleet.lost_per_h) if fleet.lost_per_h else math.inf
        running[worker] = (job, copied_s, done_at_s)
        heapq.heappush(events, (min(done_at_s, now_s + next_loss_s), worker))
    if fleet.split_s is not None:
        end_s += max(lengths) * fleet.fps * JOIN_S  # The last video to be joined.
    total_s = end_s * fleet.workers
    return Result(
        hours=end_s / 3600,
        jobs=count,
        worker_hours=total_s / 3600,
        useful_share=min(useful / total_s, 1.0),
        lost=int(lost),
        redone_h=redone_s / 3600,
        store_share=bits / end_s / (fleet.store_gbit * 1e9),
    )


def _lengths(fleet: Fleet, random: np.random.Generator) -> Sequence[float]:
    """Returns the lengths of the videos in seconds; their sum is that of the fleet."""
    count = max(round(fleet.hours / fleet.mean_h), 1)
    lengths = random.lognormal(0.0, fleet.spread, count)
    lengths *= fleet.hours * 3600 / lengths.sum()
    return [float(one) for one in (np.sort(lengths)[::-1] if fleet.longest_first else lengths)]


def _jobs(fleet: Fleet, lengths: Sequence[float]) -> list[float]:
    """Returns the seconds of video of each job."""
    if fleet.split_s is None:
        return list(lengths)
    found = []
    for length in lengths:
        count = max(int(length / fleet.split_s + 0.5), 1)
        found += [fleet.split_s + OVERLAP_S] * (count - 1)
        found.append(length - (count - 1) * fleet.split_s + (OVERLAP_S if count > 1 else 0.0))
    return found


def row(name: str, fleet: Fleet, dollars: float) -> str:
    """Returns a row of the table."""
    result = simulate(fleet)
    return (
        f"| {name} | {fleet.workers} | {result.hours:.1f} | {result.worker_hours:,.0f} | "
        f"{100 * result.useful_share:.1f} | {result.lost} | {result.redone_h:.1f} | "
        f"{100 * result.store_share:.1f} | {result.worker_hours * dollars:,.0f} |"
    )


def table(fleet: Fleet, dollars: float) -> list[str]:
    """Returns what changes with workers, order, splitting and losses."""
    split = replace(fleet, split_s=600.0)
    cases = {
        "whole videos, any order": fleet,
        "whole videos, longest first": replace(fleet, longest_first=True),
        "`--split 10m`": split,
        "`--split 10m`, 500 workers": replace(split, workers=500),
        "`--split 10m`, 8000 workers": replace(split, workers=8000),
        "`--split 10m`, a loss each hour": replace(split, lost_per_h=1.0),
        "`--split 10m`, copies of checkpoints each minute": replace(split, checkpoint_s=60.0),
        "`--split 10m`, store of 5 Gbit/s": replace(split, store_gbit=5.0),
    }
    head = "| case | workers | hours | worker hours | useful % | lost | redone h | store % | $ |"
    return [head, "|---" + "|---:" * 8 + "|", *(row(*item, dollars) for item in cases.items())]


def main() -> None:
    """Prints a row, or the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=100_000)
    parser.add_argument("--workers", type=int, default=2000)
    parser.add_argument("--split", type=float, help="minutes")
    parser.add_argument("--frame-ms", type=float, default=1000 * FRAME_S)
    parser.add_argument("--lost-per-hour", type=float, default=0.05)
    parser.add_argument("--dollars", type=float, default=0.045, help="of a processor an hour")
    parser.add_argument("--table", action="store_true", help="several cases")
    arguments = parser.parse_args()
    fleet = Fleet(
        hours=arguments.hours,
        workers=arguments.workers,
        frame_s=arguments.frame_ms / 1000,
        lost_per_h=arguments.lost_per_hour,
        split_s=None if arguments.split is None else arguments.split * 60,
    )
    lines = table(fleet, arguments.dollars)
    print("\n".join(lines if arguments.table else [*lines[:2], row("", fleet, arguments.dollars)]))


if __name__ == "__main__":
    main()
