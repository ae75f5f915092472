"""Seconds from a command to its first frame, and the memory that it takes, on warm and cold caches.

Modules are compiled before, as `pip install` does it, into a folder of this program's own.

    python benchmarks/startup.py samples/plaza.mp4 --rounds 9 --cold 3 \
        --peer-python norfair=/tmp/norfair/bin/python \
        --program yolo 'yolo track model=yolo11n.yaml source=samples/plaza.mp4' 'video 1/1'

All programs run one after another, `--rounds` times in turn, so that a disturbance meets all of
them; medians count. The first frame has come when the program's first line about a frame can be
read from its standard output:

- `tracker run`: `--frames` frames to JSON Lines with `--detector small`, `nano` and `motion`.
- `DeepSort`: a program that imports it and tracks ten boxes for 100 frames.
- `--peer-python`: the same with a tracker of another library, in an environment that has it.
- `--program`: any command; its lines that contain a word count as frames.

Memory is the resident set (Linux), libraries that other processes share included. `--cold` empties
the page cache of the whole machine before each round, which root alone may do.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DROP_CACHES = Path("/proc/sys/vm/drop_caches")
DETECTORS = ("small", "nano", "motion")
FRAME_OF_TRACKER = '"kind":"frame"'
FRAME = "frame"
WARMED_UP_FRAMES = 50
"""Frames after which memory should not grow any more."""

BOXES = """
import numpy as np
corners = np.arange(10)[:, None] * 60.0 + [0, 0, 40, 50]
scores, classes = np.full(10, 0.9), np.zeros(10, int)
def frames():
    for number in range(100):
        yield corners + number
        print("frame", flush=True)
"""
"""Ten objects that move by a pixel a frame; what has tracked one set of boxes asks for the next."""

LIBRARIES = {
    "tracker": """
from tracker import DeepSort, Detections
tracker = DeepSort()
for boxes in frames():
    tracker.step(Detections.create(boxes, scores, classes))
""",
    "norfair": """
from norfair import Detection, Tracker
tracker = Tracker(distance_function="iou", distance_threshold=0.7)
for boxes in frames():
    tracker.update([Detection(points) for points in boxes.reshape(-1, 2, 2)])
""",
    "trackers": """
import supervision
from trackers import SORTTracker
tracker = SORTTracker()
for boxes in frames():
    tracker.update(supervision.Detections(xyxy=boxes, confidence=scores))
""",
    "pyxtrackers": """
from pyxtrackers import Sort
tracker = Sort()
for boxes in frames():
    tracker.update(np.column_stack([boxes, scores]))
""",
}
"""Programs that follow `BOXES`, by library."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that is measured.

    Attributes:
        name: Its name in the table.
        command: What starts it.
        frame: What a line about a frame contains.
    """

    name: str
    command: tuple[str, ...]
    frame: str


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a program.

    Attributes:
        first_frame_s: Seconds from the start of its process to its first frame.
        first_mb: Resident memory then.
        warm_mb: Resident memory after `WARMED_UP_FRAMES` frames.
        last_mb: Resident memory at its last frame.
        peak_mb: The most that was resident, ever.
    """

    first_frame_s: float
    first_mb: float
    warm_mb: float
    last_mb: float
    peak_mb: float


def environment(compiled: str) -> dict[str, str]:
    """Returns the environment of the programs.

    Args:
        compiled: Folder of compiled modules.
    """
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": compiled}


def measure(program: Program, variables: Mapping[str, str]) -> Measured:
    """Returns what one run of a program needed; exits where it fails."""
    resident: list[float] = []
    first_frame_s = 0.0
    with tempfile.TemporaryFile("w+") as messages:
        start = time.perf_counter()
        child = subprocess.Popen(
            program.command,
            stdout=subprocess.PIPE,
            stderr=messages,
            text=True,
            env=variables,
        )
        assert child.stdout is not None
        for line in child.stdout:
            if program.frame in line:
                first_frame_s = first_frame_s or time.perf_counter() - start
                resident += resident_mb(child.pid)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode or not resident:
            messages.seek(0)
            last = (messages.read().strip() or "no line about a frame").splitlines()[-1]
            sys.exit(f"{program.name} failed: {last}")
    warm = resident[min(WARMED_UP_FRAMES, len(resident)) - 1]
    return Measured(first_frame_s, resident[0], warm, resident[-1], usage.ru_maxrss / 1e3)


def resident_mb(process: int) -> list[float]:
    """Returns the resident memory of a process; nothing where it has just ended."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return [int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmRSS")]


def empty_page_cache() -> None:
    """Makes the machine forget all files that it holds in memory."""
    os.sync()
    DROP_CACHES.write_text("3\n")


def programs_of(words: argparse.Namespace) -> list[Program]:
    """Returns the programs that the command line asks for."""
    run = (sys.executable, "-m", "tracker", "run", str(words.video), "--json", "-")
    run = (*run, "--no-progress", "--max-frames", str(words.frames))
    found = [
        Program(
            f"tracker run --detector {name}",
            (*run, "--detector", name),
            FRAME_OF_TRACKER,
        )
        for name in words.detectors
    ]
    for library, python in [("tracker", sys.executable), *words.peer_python]:
        name = "DeepSort (Python)" if library == "tracker" else f"{library} (Python)"
        found.append(Program(name, (python, "-c", BOXES + LIBRARIES[library]), FRAME))
    found += [Program(name, tuple(shlex.split(text)), frame) for name, text, frame in words.program]
    return found


def rounds_of(
    programs: Iterable[Program], count: int, variables: Mapping[str, str], *, cold: bool
) -> dict[str, list[Measured]]:
    """Returns the runs by name of the program, from so many rounds."""
    programs = list(programs)
    found: dict[str, list[Measured]] = {program.name: [] for program in programs}
    for number in range(count):
        for program in programs:
            if cold:
                empty_page_cache()
            one = measure(program, variables)
            found[program.name].append(one)
            print(
                f"{'cold' if cold else 'warm'} round {number + 1}: {program.name} "
                f"{one.first_frame_s:.3f} s, {one.peak_mb:.0f} MB",
                file=sys.stderr,
            )
    return found


def table(warm: dict[str, list[Measured]], cold: dict[str, list[Measured]]) -> str:
    """Returns a markdown table of medians."""
    lines = [
        "| program | s to the first frame, warm | cold | MB at the first frame "
        f"| after {WARMED_UP_FRAMES} | at the last | peak |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, runs in warm.items():
        rest = [
            median(getattr(run, key) for run in runs)
            for key in ("first_mb", "warm_mb", "last_mb", "peak_mb")
        ]
        seconds = f"{median(run.first_frame_s for run in runs):.2f}"
        frozen = cold.get(name, [])
        first = f"{median(run.first_frame_s for run in frozen):.2f}" if frozen else ""
        lines.append(f"| {name} | {seconds} | {first} | " + " | ".join(f"{mb:.0f}" for mb in rest))
        lines[-1] += " |"
    return "\n".join(lines)


def median(values: Iterable[float]) -> float:
    """Returns the median."""
    return statistics.median(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=100, help="of the video")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--cold", type=int, default=0, help="rounds with an empty page cache")
    parser.add_argument("--detectors", nargs="+", default=[*DETECTORS], help="of `tracker run`")
    parser.add_argument(
        "--peer-python", action="append", default=[], type=lambda text: text.split("=", 1),
        metavar="LIBRARY=PYTHON", help=f"of {', '.join(LIBRARIES)}",
    )  # fmt: skip
    parser.add_argument(
        "--program", action="append", default=[], nargs=3, metavar=("NAME", "COMMAND", "WORD"),
        help="another command, and a word of its lines about frames",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, help="file for all that was measured")
    words = parser.parse_args()
    if words.cold and not os.access(DROP_CACHES, os.W_OK):
        sys.exit(f"--cold: {DROP_CACHES} may not be written; run as root, or leave it out")
    programs = programs_of(words)
    with tempfile.TemporaryDirectory() as compiled:
        variables = environment(compiled)
        rounds_of(programs, 1, variables, cold=False)  # compiles modules, fills the page cache
        warm = rounds_of(programs, words.rounds, variables, cold=False)
        cold = rounds_of(programs, words.cold, variables, cold=True)
    print(table(warm, cold))
    if words.json is not None:
        runs = {"warm": warm, "cold": cold}
        plain = {
            cache: {name: [vars_of(run) for run in all_] for name, all_ in one.items()}
            for cache, one in runs.items()
        }
        words.json.write_text(json.dumps(plain, indent=2) + "\n")


def vars_of(run: Measured) -> dict[str, float]:
    """Returns the fields by name."""
    return {name: getattr(run, name) for name in run.__slots__}


if __name__ == "__main__":
    main()
