"""What the benchmarks of faults share: the clip, its run, and checks of what runs leave."""

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

FRAMES = 80
FPS = 5
"""A slow rate: the video has a key frame, and so a checkpoint, every 10 frames."""
OPTIONS = ("--detector", "motion", "--no-progress", "--set", "run.checkpoint_s=0.01")
ZONES = (
    "zones: [{name: yard, polygon: [[30, 20], [110, 20], [110, 110], [30, 110]]}]\n"
    "lines: [{name: door, points: [[70, 0], [70, 120]]}]\n"
)
FILES = ("--json", "out.jsonl", "--events", "events.csv", "--video", "out.mp4")
NOBODY = 65534


@dataclass(slots=True)
class Row:
    """What one kind of fault did."""

    fault: str
    how: str
    runs: int = 0
    lost: int = 0
    wrong: int = 0
    notes: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Returns the row of a table in Markdown."""
        notes = "; ".join(sorted(set(self.notes))) or "-"
        return f"| {self.fault} | {self.how} | {self.runs} | {self.lost} | {self.wrong} | {notes} |"


@dataclass(frozen=True, slots=True)
class Bench:
    """The clip, and the results of a run that was not disturbed."""

    folder: Path
    clip: Path
    zones: Path
    whole: Path
    rng: random.Random
    forks: bool

    @contextmanager
    def place(self) -> Iterator[Path]:
        """Yields an empty folder."""
        path = Path(tempfile.mkdtemp(dir=self.folder))
        path.chmod(0o755)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def words(self, source: Path | None = None, *more: str) -> list[str]:
        """Returns the words of the command, after `tracker`."""
        zones = ("--zones", str(self.zones))
        return ["run", str(source or self.clip), *OPTIONS, *zones, *FILES, *more]


def write_clip(path: Path) -> None:
    """Three squares that walk, stand and cross over a textured ground."""
    ground = np.random.default_rng(0).integers(60, 110, (120, 160, 3)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for index in range(FRAMES):
            image = ground.copy()
            for number, speed in enumerate((2, 3, -2)):
                x = (20 + 40 * number + speed * index) % 150 if index >= 10 else -1
                if x >= 0 and index % (30 + 10 * number) > 4:
                    image[15 + 32 * number : 40 + 32 * number, x : x + 16] = (
                        240,
                        200 - 60 * number,
                        40,
                    )
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def run(words: list[str], folder: Path, **more: object) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end in a new process."""
    command = [sys.executable, "-m", "tracker", *words]
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        **more,  # type: ignore[call-overload]
    )


def forked(words: list[str], folder: Path) -> int:
    """Returns the id of a new process that runs the command."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.chdir(folder)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (1, 2):
            os.dup2(null, descriptor)
        from tracker.cli.main import main

        main(words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        os._exit(code)


def started(bench: Bench, words: list[str], folder: Path) -> int:
    """Returns the id of a process that runs the command."""
    if bench.forks:
        return forked(words, folder)
    null = subprocess.DEVNULL
    process = subprocess.Popen([sys.executable, "-m", "tracker", *words], cwd=folder, stderr=null)
    return process.pid


def stamps(path: Path) -> list[float | None]:
    """Times of the frames that can be decoded."""
    times = []
    try:
        with av.open(str(path)) as container:
            times = [frame.time for frame in container.decode(video=0)]
    except (OSError, ValueError, IndexError, av.FFmpegError):
        pass
    return times


def differs(bench: Bench, folder: Path) -> str:
    """Returns what differs from the run that was not disturbed; empty if nothing does."""
    for name in ("out.jsonl", "events.csv"):
        if not (folder / name).exists():
            return f"no {name}"
        if (folder / name).read_bytes() != (bench.whole / name).read_bytes():
            return f"{name} differs"
    return "" if stamps(folder / "out.mp4") == stamps(bench.whole / "out.mp4") else "video differs"


def unreadable(folder: Path) -> str:
    """Returns what cannot be read of the files that an interrupted run left; empty if nothing."""
    path = folder / "out.jsonl"
    if not path.exists():
        return ""
    lines = path.read_bytes().split(b"\n")
    records = []
    for line in lines[:-1]:
        try:
            records.append(json.loads(line))
        except ValueError:
            return "a line of JSON is broken"
    frames = [record["frame"] for record in records if record["kind"] == "frame"]
    if frames != list(range(len(frames))):
        return "a frame is missing in JSON"
    video = folder / "out.mp4"
    times = stamps(video) if video.exists() else []
    return (
        "" if times == [n / FPS for n in range(len(times))] else "a frame is missing in the video"
    )


def note_end(row: Row, done: subprocess.CompletedProcess[str]) -> None:
    """Notes an end other than success or one line of error."""
    if "Traceback" in done.stderr or done.returncode not in (0, 1, 2):
        row.wrong += 1
        row.notes.append(f"exit code {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    elif done.returncode:
        row.notes.append("one line, exit code 1 or 2")


@contextmanager
def loopback_server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            answer(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with listener:
        yield listener.getsockname()[1]
