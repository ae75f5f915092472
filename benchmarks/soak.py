"""Memory and speed of tracker, pipeline and JSON Lines over a long run.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/soak.py --frames 1000000

The scene of `memory.py` (objects that enter, cross and leave, false alarms, misses, 128-d
embeddings) goes through `Pipeline`, `DeepSort` and `JsonLinesSink`, as fast as they can. A source
made of memory takes the place of a camera and scripted detections that of a network, so that a
million frames are an hour. The footer of the JSON tells the life of each track, which is a few
numbers for each; `--enter` says how many objects come, and the report how many bytes each one
leaves behind.

Prints resident memory and frames a second for each part of the run; exit
code 1 if memory grew by more than `--limit-mb` since the warm-up.
"""

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import memory
import numpy as np

from tracker.detections import Detections
from tracker.frames import Frame, VideoInfo
from tracker.pipeline.single import Pipeline
from tracker.sinks.json_lines import JsonLinesSink
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.settings import DeepSortSettings
from tracker.util.arrays import frozen
from tracker.util.stopwatch import Stopwatch

FPS = Fraction(25)


class Scene:
    """A source of frames that all show the same, with a pause before each round of the scene.

    Args:
        frames: How many come.
    """

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self.skipped = 0
        self.info = VideoInfo("scene", memory.WIDTH, memory.HEIGHT, FPS, 1 / FPS, frames)

    def __iter__(self) -> Iterator[Frame]:
        image = np.zeros((memory.HEIGHT, memory.WIDTH, 3), np.uint8)
        image.setflags(write=False)
        image = frozen(image, dtype="uint8", shape=(None, None, 3), name="image")
        pause = round(DeepSortSettings().max_age_s * FPS)
        for number in range(self._frames):
            elapsed = number + (number // memory.ROUND) * pause
            yield Frame(image, number, float(elapsed / FPS), "scene")

    def close(self) -> None:
        """Holds nothing."""

    def __enter__(self) -> "Scene":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class SceneDetector:
    """Knows what is in each frame of the scene, looks included.

    Args:
        seed: Of the scene.
    """

    class_names = tuple(f"class {number}" for number in range(memory.CLASSES))
    digests: Mapping[str, str] = {}

    def __init__(self, seed: int) -> None:
        self._shots = memory.make_round(np.random.default_rng(seed))

    def start(self, info: VideoInfo) -> None:
        """Needs nothing."""

    def detect(self, frames: Sequence[Frame], stopwatch: Stopwatch) -> list[Detections]:
        """Returns what is in the frames."""
        return [self._detect(frame) for frame in frames]

    def _detect(self, frame: Frame) -> Detections:
        turn, place = divmod(frame.index, memory.ROUND)
        boxes, scores, classes, looks = self._shots[place]
        return Detections.create(
            boxes, scores, (classes + turn) % memory.CLASSES, np.roll(looks, turn, axis=1)
        )


class Marks:
    """Notes memory and speed each tenth of the run, counted from the end of the warm-up.

    Args:
        warm_up: Frames before the first mark.
        frames: Frames after that.
    """

    def __init__(self, warm_up: int, frames: int) -> None:
        self._warm_up, self._every = warm_up, max(1, frames // 10)
        self._mark, self._cpu_mark = time.perf_counter(), time.process_time()
        self.warm_up_s = 0.0
        self.cpu_ms: list[float] = []
        self.megabytes: list[float] = []
        self.speeds: list[float] = []
        self.ids: list[int] = []

    def pass_by(self, done: int, last_id: int) -> None:
        """Notes what there is to note after so many frames."""
        past = done - self._warm_up
        if past < 0 or past % self._every:
            return
        now, cpu, here = time.perf_counter(), time.process_time(), memory.resident_mb()
        count = self._every if past else done
        speed, cpu_ms = count / (now - self._mark), 1000 * (cpu - self._cpu_mark) / count
        if past:
            self.speeds.append(speed)
            self.cpu_ms.append(cpu_ms)
        else:
            self.warm_up_s = now - self._mark
        self.megabytes.append(here)
        self.ids.append(last_id)
        print(f"{past:>9} frames  {here:7.1f} MB  {here - self.megabytes[0]:+6.2f} MB  "
              f"{speed:6.0f} frames/s  {cpu_ms:.2f} ms of CPU a frame  {last_id} ids so far",
              flush=True)  # fmt: skip
        self._mark, self._cpu_mark = now, cpu


def run(words: argparse.Namespace, path: str) -> Marks:
    """Returns what was noted on the way; the growth is that before the source ends."""
    pipeline = Pipeline(detector=SceneDetector(seed=0), tracker=DeepSort())
    marks = Marks(words.warm_up, words.frames)
    last_id = 0
    # One frame more than is counted: at its end the pipeline frees what it holds.
    with Scene(words.warm_up + words.frames + 1) as scene, JsonLinesSink(path) as sink:
        for done, result in enumerate(pipeline.run(scene), 1):
            sink.write(result)
            if len(result.tracks):
                last_id = max(last_id, int(result.tracks.ids[-1]))
            marks.pass_by(done, last_id)
    return marks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--warm-up", type=int, default=5 * memory.ROUND, help="frames before")
    parser.add_argument("--enter", type=float, default=memory.ENTER, help="new objects a frame")
    parser.add_argument("--limit-mb", type=float, default=5.0, help="growth that is a failure")
    parser.add_argument("--file", action="store_true", help="write a file, by default /dev/null")
    words = parser.parse_args()
    if not memory.STATM.is_file():
        print("skipped: resident memory is read from /proc, which this system has not")
        return
    memory.ENTER = words.enter
    print(f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}; "
          f"{words.enter:g} new objects a frame")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.jsonl"
        marks = run(words, str(path) if words.file else "/dev/null")
        if words.file:
            print(f"{path.stat().st_size / 1e6:.1f} MB of JSON Lines")
    growth, ids = marks.megabytes[-1] - marks.megabytes[0], marks.ids[-1] - marks.ids[0]
    print(f"growth since the warm-up of {marks.warm_up_s:.0f} s: {growth:+.2f} MB over "
          f"{words.frames} frames and {ids} ids, {1e6 * growth / max(ids, 1):.0f} bytes each; "
          f"last tenth {marks.speeds[-1] / marks.speeds[0]:.2f} times as fast as the first, with "
          f"{marks.cpu_ms[-1] / marks.cpu_ms[0]:.2f} times the CPU time"
          )  # fmt: skip
    if growth > words.limit_mb:
        sys.exit(f"grew by {growth:.1f} MB; expected at most {words.limit_mb}")


if __name__ == "__main__":
    main()
