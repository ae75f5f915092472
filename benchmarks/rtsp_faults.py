"""Faults of RTSP cameras, for `faults.py`: connections that stall, break, lie or refuse.

The camera is `rtsp_server.py` (GStreamer), and the faults are those of a proxy before it
(`tests/rtsp_proxy.py`). Squares cross the image at one speed, each in a row of its own, so that row
and time say where each is after a gap. Checked are the end of the run, its messages, numbers and
times of frames against the wall clock, and the ids.
"""

import itertools
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from fault_bench import OPTIONS, Bench, Row, note_end
from rtsp_server import ServerProcess, server_python
from source_faults import frames_of, run_on

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.rtsp_proxy import RtspProxy, Script, Then

SIZE, OTHER_SIZE = (320, 120), (352, 144)
FPS = 15
ROWS = (10, 45, 80)
"""Upper edges of the squares."""
SIDE = 24
STEP = 3
"""Pixels that a square moves a frame."""
PERIOD = (SIZE[0] + 64) // STEP
"""Frames after which the scene is the same; a square is outside for some of them."""
FRAMES = 120
"""Of a run: a fault comes after 60 of them."""
PATIENT = ("--set", "source.live.stall_s=3", "--set", "source.live.open_timeout_s=10")
CLOCK_TOLERANCE_S = 0.7
"""On a busy machine, the wall clock's time of a connection's first frames is too late by what they
waited while it was opened."""
MARGIN = 4
"""Frames before a loss that may stay in FFmpeg, or that the system discards with a reset."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault, and what has to come of it.

    Attributes:
        how: What happens, for the table.
        scripts: Of the proxy, for each connection.
        code: Exit code.
        reconnects: Losses that end well.
        other: Whether the second connection is to a camera of another resolution.
    """

    how: str
    scripts: Callable[[random.Random], tuple[Script, ...]]
    code: int = 0
    reconnects: int = 0
    other: bool = False


def _refused(method: str, status: str, *more: str) -> Script:
    lines = [f"RTSP/1.0 {status}", "CSeq: {cseq}", *more, "", ""]
    return Script({method: "\r\n".join(lines).encode()})


def _refusals(rng: random.Random) -> tuple[Script, ...]:
    basic = 'WWW-Authenticate: Basic realm="camera"'
    return (
        rng.choice(
            (
                _refused("DESCRIBE", "401 Unauthorized", basic),
                _refused("DESCRIBE", "404 Not Found"),
                _refused("SETUP", "453 Not Enough Bandwidth"),
                _refused("SETUP", "461 Unsupported Transport"),
                _refused("PLAY", "503 Service Unavailable"),
            )
        ),
    )


def _closed(rng: random.Random) -> tuple[Script, ...]:
    return (Script({rng.choice(("OPTIONS", "DESCRIBE", "SETUP", "PLAY")): b""}),)


def _noise(rng: random.Random) -> tuple[Script, ...]:
    methods = ("OPTIONS", "DESCRIBE", "SETUP", "PLAY")
    return (Script({rng.choice(methods): rng.randbytes(rng.randrange(1, 5000))}, closes=True),)


def _broken(then: Then, away_s: float = 0.0) -> Callable[[random.Random], tuple[Script, ...]]:
    def scripts(rng: random.Random) -> tuple[Script, ...]:
        return Script(frames=rng.randrange(50, 70), then=then, away_s=away_s), Script()

    return scripts


def _hard_to_reach(rng: random.Random) -> tuple[Script, ...]:
    """After a loss, two attempts fail, each in another way."""
    failing = [*_refusals(rng), *_closed(rng), *_noise(rng)]
    rng.shuffle(failing)
    return *_broken(Then.CLOSE)(rng)[:1], *failing[:2], Script()


FAULTS: Mapping[str, Fault] = {
    "stalls": Fault("stalls after 50 to 70 frames", _broken(Then.STALL), reconnects=1),
    "resets": Fault("is reset within a frame", _broken(Then.RESET), reconnects=1),
    "closes": Fault("is closed", _broken(Then.CLOSE), reconnects=1),
    "away": Fault("is closed, and refused for 3 s", _broken(Then.CLOSE, 3.0), reconnects=1),
    "noise": Fault("has 3000 bytes of noise in the stream", _broken(Then.NOISE), reconnects=1),
    "bits": Fault(
        "has a bit flipped in each tenth RTP packet", lambda _: (Script(flips=0.1),), reconnects=0
    ),
    "hard": Fault(
        "is closed; two attempts are refused, closed or answered with noise",
        _hard_to_reach,
        reconnects=1,
    ),
    "size": Fault(
        "is closed; the camera has another resolution after it",
        _broken(Then.CLOSE),
        code=1,
        other=True,
    ),
    "refused": Fault("is refused from the start: 401, 404, 453, 461, 503", _refusals, code=2),
    "shut": Fault("is closed at OPTIONS, DESCRIBE, SETUP or PLAY", _closed, code=2),
    "babble": Fault("is answered with noise at one of these", _noise, code=2),
}


def rtsp(bench: Bench, count: int, *, name: str) -> Row:
    """Returns the row of one fault of RTSP."""
    if server_python() is None:
        return Row(
            "RTSP", name, notes=["not run: the system's Python has no GStreamer RTSP server"]
        )
    with cameras(bench) as ports:
        return _row(bench, count, FAULTS[name], ports)


def _row(bench: Bench, count: int, fault: Fault, ports: tuple[int, int]) -> Row:
    row = Row("RTSP", f"the connection {fault.how}")
    gaps: list[Gap] = []
    for _ in range(count):
        scripts = fault.scripts(bench.rng)
        if fault.other:
            scripts = scripts[0], Script(port=ports[1])
        seed = bench.rng.randrange(2**32)
        with bench.place() as folder, RtspProxy(ports[0], *scripts, seed=seed) as proxy:
            words = ["run", "", *OPTIONS, "--json", "out.jsonl", *PATIENT, "--reconnect", "9"]
            words += ["--policy", "all", "--max-frames", str(FRAMES)]
            done = run_on(words, folder, f"rtsp://127.0.0.1:{proxy.port}/stream")
            frames = frames_of(folder / "out.jsonl")
            check(row, fault, frames, done)
        if frames and fault.reconnects:
            gaps.append(gap_of(frames))
            row.lost += max(min(proxy.frames[0], scripts[0].frames) - gaps[-1].after - MARGIN, 0)
    row.notes += _gap_notes(gaps)
    return row


@dataclass(frozen=True)
class Gap:
    """The longest gap of a run.

    Attributes:
        after: Frames before it.
        seconds: How long it is.
        kept: Squares that have the same id after it.
        found: Squares that are in both frames around it.
    """

    after: int
    seconds: float
    kept: int
    found: int


def gap_of(frames: list[dict[str, Any]]) -> Gap:
    """Returns the longest gap, and what became of the ids.

    A square of the last frame before it is looked for in the second after it, where it has to be by
    then.
    """
    after = int(np.argmax(np.diff([frame["time_s"] for frame in frames]))) + 1
    last = frames[after - 1]
    kept = found = 0
    for row, left, number in _squares(last):
        ids = {
            other
            for frame in frames[after : after + FPS]
            for its_row, its_left, other in _squares(frame)
            if its_row == row
            and abs(its_left - left - STEP * FPS * (frame["time_s"] - last["time_s"])) < SIDE / 2
        }
        kept += number in ids
        found += bool(ids)
    return Gap(after, frames[after]["time_s"] - last["time_s"], kept, found)


def _gap_notes(gaps: list[Gap]) -> Iterator[str]:
    if gaps:
        shortest, longest = (pick(gap.seconds for gap in gaps) for pick in (min, max))
        kept, found = (sum(getattr(gap, name) for gap in gaps) for name in ("kept", "found"))
        yield f"gaps of {shortest:.1f} to {longest:.1f} s, {kept} of {found} ids kept"


def _squares(frame: dict[str, Any]) -> Iterator[tuple[int, float, int]]:
    """Yields row, left edge and id of each whole square that is tracked and detected."""
    for track in frame["tracks"]:
        left, top, right, _ = track["box"]
        row = int(np.argmin([abs(top - edge) for edge in ROWS]))
        is_seen = track["state"] == "confirmed" and not track["misses"]
        if is_seen and left > STEP and right < SIZE[0] - STEP and abs(top - ROWS[row]) < SIDE / 4:
            yield row, left, track["id"]


def check(
    row: Row,
    fault: Fault,
    frames: list[dict[str, Any]],
    done: subprocess.CompletedProcess[str] | None,
) -> None:
    """Notes what is wrong with a run."""
    row.runs += 1
    if done is None:
        row.wrong += 1
        row.notes.append("does not end")
        return
    note_end(row, done)
    found = [*_end_errors(fault, done), *_frame_errors(frames)]
    row.wrong += bool(found)
    row.notes += found
    if frames and fault.code == 0:
        row.notes.append("complete")


def _end_errors(fault: Fault, done: subprocess.CompletedProcess[str]) -> Iterator[str]:
    """Yields what is wrong with exit code and messages."""
    if done.returncode != fault.code:
        yield f"exit code {done.returncode} in place of {fault.code}: {done.stderr[-200:]}"
    messages = [line for line in done.stderr.splitlines() if line.startswith("tracker: ")]
    expected = 2 * (fault.reconnects + fault.other) + bool(fault.code)
    if len(messages) != expected:
        yield f"{len(messages)} messages in place of {expected}: {messages}"


def _frame_errors(frames: list[dict[str, Any]]) -> Iterator[str]:
    """Yields what is wrong with numbers and times."""
    for name in ("frame", "time_s", "wall_time"):
        values = [frame[name] for frame in frames]
        if any(a >= b for a, b in itertools.pairwise(values)):
            yield f"{name} does not rise"
    for count, frame in enumerate(frames, start=1):
        if frame["frame"] + 1 != count + frame["dropped"]:
            yield "frame + 1 is not frames + dropped"
            break
    if frames:
        spans = [frames[-1][name] - frames[0][name] for name in ("time_s", "wall_time")]
        if abs(spans[0] - spans[1]) > CLOCK_TOLERANCE_S:
            yield f"{spans[0]:.2f} s by its times, {spans[1]:.2f} s by the clock"


@contextmanager
def cameras(bench: Bench) -> Iterator[tuple[int, int]]:
    """Yields the ports of two cameras, of which the second has another resolution."""
    with ExitStack() as stack:
        ports = []
        for size in (SIZE, OTHER_SIZE):
            clip = bench.folder / f"walk-{size[0]}.mp4"
            write_walk(clip, size)
            camera = stack.enter_context(ServerProcess(clip, "--fps", str(FPS)))
            ports.append(int(camera.port))
        yield ports[0], ports[1]


def write_walk(path: Path, size: tuple[int, int]) -> None:
    """Writes squares that cross the image; the last frame is followed by the first one."""
    ground = np.random.default_rng(0).integers(60, 110, (size[1], size[0], 3)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for index in range(PERIOD):
            image = ground.copy()
            for number, top in enumerate(ROWS):
                left = STEP * ((index + number * PERIOD // 3) % PERIOD) - SIDE
                image[top : top + SIDE, max(left, 0) : max(left + SIDE, 0)] = (
                    240,
                    200 - 60 * number,
                    40,
                )
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


RTSP_FAULTS: dict[str, Callable[[Bench, int], Row]] = {
    f"rtsp-{name}": partial(rtsp, name=name) for name in FAULTS
}
