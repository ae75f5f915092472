"""Delay, frame counts and memory for a live stream that is faster than the detector.

    python benchmarks/live_rtsp.py VIDEO --seconds 600
    python benchmarks/live_rtsp.py VIDEO --seconds 120 --restart-at 60 --down 1
    python benchmarks/live_rtsp.py VIDEO --seconds 60 -- --detector nano --set detector.every=2

Serves the video as an RTSP camera (`rtsp_server.py`), runs `tracker run rtsp://... --json -` in a
process of its own, and reads its lines as another program would. Checked are the delay against the
time that one frame takes, its trend, that every lost frame was counted, and memory. With
`--restart-at` the camera loses its power for `--down` seconds, and the ids of the people before the
outage are compared with those after it.

Options after `--` go to `tracker run`. Exit code 1 if a check failed. Linux only: memory is read
from /proc.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from rtsp_server import ServerProcess, server_python

from tracker.boxes import pairwise_iou

BLOCK_S = 5.0
"""Neighbouring delays are alike; the trend is fitted to means of blocks of this length."""

SAME_PLACE_IOU = 0.3
"""Overlap of where a track should be with where one is, for both to be the same object."""

Floats = NDArray[np.float64]


@dataclass
class Seen:
    """What was read and measured of one run.

    Attributes:
        lines: The frames' objects, with `arrived`, the reader's monotonic clock.
        header: The first object.
        footer: The last object; empty if none came.
        sent: Frames that the camera sent, and its first one, for each stream; empty if it was
            restarted.
        origin: What the reader's monotonic clock showed at the camera's frame 0.
        memory: Monotonic time and resident MB, once a second.
        errors: What the program said on stderr.
    """

    lines: list[dict[str, Any]] = field(default_factory=list)
    header: dict[str, Any] = field(default_factory=dict)
    footer: dict[str, Any] = field(default_factory=dict)
    sent: list[tuple[int, int]] = field(default_factory=list)
    origin: float = 0.0
    memory: list[tuple[float, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def column(self, name: str) -> Floats:
        """Returns one value of every frame; NaN where it is missing."""
        values = [line.get(name) for line in self.lines]
        return np.array([np.nan if value is None else value for value in values], np.float64)


def resident_mb(pid: int) -> float:
    """Returns the megabytes of a process that lie in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def read_lines(pipe: IO[str], seen: Seen) -> None:
    for text in pipe:
        arrived = time.monotonic()
        record = json.loads(text)
        if record["kind"] == "frame":
            seen.lines.append({**record, "arrived": arrived})
        elif record["kind"] == "header":
            seen.header = record
        else:
            seen.footer = record


def watch(words: argparse.Namespace) -> tuple[Seen, int]:
    """Returns what one run gave, and the program's exit code."""
    seen = Seen(origin=time.monotonic())
    origin = time.time()
    common = ("--fps", str(words.fps), "--origin", str(origin))
    common += ("--key-interval-s", str(words.key_interval_s))
    with ExitStack() as stack:
        camera = stack.enter_context(ServerProcess(words.video, *common))
        again = None
        if words.restart_at is not None:
            port = ("--port", camera.port, "--wait")
            again = stack.enter_context(ServerProcess(words.video, *common, *port))
            again.wait_until_ready()
        command = [sys.executable, "-m", "tracker", "run", camera.address, "--json", "-"]
        command += ["--no-progress", *words.tracker]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stderr is not None
        readers = [
            threading.Thread(target=read_lines, args=(process.stdout, seen)),
            threading.Thread(target=seen.errors.extend, args=(process.stderr,)),
        ]
        for reader in readers:
            reader.start()
        wait_for_first(process, seen)
        start = time.monotonic()
        if again is not None:
            sample(process, seen, start + words.restart_at)
            camera.kill()
            sample(process, seen, start + words.restart_at + words.down)
            again.listen()
        sample(process, seen, start + words.seconds)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        for reader in readers:
            reader.join(timeout=60)
        if again is None:
            seen.sent = camera.stop()
        return seen, process.returncode


def wait_for_first(process: subprocess.Popen[str], seen: Seen, limit_s: float = 120) -> None:
    """Waits until a frame has come, or the program has ended."""
    end = time.monotonic() + limit_s
    while not seen.lines and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    if not seen.lines:
        process.kill()
        sys.exit("no frame came: " + "".join(seen.errors[-5:]))


def sample(process: subprocess.Popen[str], seen: Seen, until: float) -> None:
    """Notes memory each second until then, or until the program ends."""
    while process.poll() is None and (left := until - time.monotonic()) > 0:
        seen.memory.append((time.monotonic(), resident_mb(process.pid)))
        time.sleep(min(1.0, left))


@dataclass(frozen=True)
class Trend:
    """A straight line through values over time.

    Attributes:
        slope: Change a minute.
        error: Its standard error.
    """

    slope: float
    error: float

    @property
    def rises(self) -> bool:
        """Whether it is above zero by more than twice its error."""
        return self.slope > 2 * self.error

    def __str__(self) -> str:
        return f"{1000 * self.slope:+.2f} +- {1000 * self.error:.2f} ms a minute"


def trend(times_s: Floats, values: Floats) -> Trend | None:
    """Returns the least-squares line through means of blocks; `None` for fewer than 4 blocks."""
    block = ((times_s - times_s[0]) // BLOCK_S).astype(int)
    numbers = np.unique(block)
    if len(numbers) < 4:
        return None
    minutes = np.array([times_s[block == n].mean() for n in numbers]) / 60
    means = np.array([values[block == n].mean() for n in numbers])
    across = minutes - minutes.mean()
    slope = across @ means / (across @ across)
    rest = means - means.mean() - slope * across
    error = np.sqrt(rest @ rest / (len(numbers) - 2) / (across @ across))
    return Trend(float(slope), float(error))


@dataclass(frozen=True)
class Survivors:
    """What became of the tracks that were seen in the last frame before the camera went away.

    Attributes:
        kept: Found again at their place under the same id.
        changed: Another id is at this person's position.
        gone: Nobody is at their place.
        gap_s: Stream time between the two frames.
    """

    kept: int
    changed: int
    gone: int
    gap_s: float


def survivors(seen: Seen, down_s: float, search_s: float = 1.5) -> Survivors | None:
    """Returns what became of the tracks at the longest pause; `None` where no pause is that long.

    A track is expected where its velocity would have brought it. What was seen confirmed in the
    `search_s` after the pause counts, at the first frame in which something overlaps.
    """
    arrived = seen.column("arrived")
    at = int(np.argmax(np.diff(arrived)))
    if arrived[at + 1] - arrived[at] < 0.5 * down_s:
        return None
    before = seen.lines[at]
    after = [
        line
        for line in seen.lines[at + 1 :]
        if line["time_s"] - seen.lines[at + 1]["time_s"] <= search_s
    ]
    kept = changed = gone = 0
    for track in _visible(before):
        found = {_occupant(track, line, line["time_s"] - before["time_s"]) for line in after}
        found.discard(None)
        kept += track["id"] in found
        changed += bool(found) and track["id"] not in found
        gone += not found
    return Survivors(kept, changed, gone, after[0]["time_s"] - before["time_s"])


def _visible(line: dict[str, Any]) -> list[dict[str, Any]]:
    return [t for t in line["tracks"] if t["state"] == "confirmed" and t["misses"] == 0]


def _occupant(track: dict[str, Any], line: dict[str, Any], elapsed_s: float) -> int | None:
    """Returns the id of the track at the expected position, if any."""
    others = _visible(line)
    if not others:
        return None
    expected = np.array([track["box"]]) + np.tile(track["velocity"], 2) * elapsed_s
    overlap = pairwise_iou(expected, np.array([other["box"] for other in others], np.float64))[0]
    best = int(np.argmax(overlap))
    return others[best]["id"] if overlap[best] >= SAME_PLACE_IOU else None


def percentiles(values: Floats) -> str:
    p50, p95, p99 = np.percentile(values * 1000, [50, 95, 99])
    return (
        f"p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, most {values.max() * 1000:.1f} ms"
    )


class Report:
    """Lines of text; a failed check is remembered."""

    def __init__(self) -> None:
        self.failed = 0

    def say(self, label: str, text: str) -> None:
        """Prints a fact."""
        print(f"{label:<16}{text}", flush=True)

    def check(self, label: str, passed: bool, text: str) -> None:
        """Prints a fact and whether it is as it should be."""
        self.failed += not passed
        self.say(label, f"{'ok' if passed else 'FAILED'}: {text}")


def report_delay(report: Report, seen: Seen, settle_s: float) -> None:
    """Tells the delay and its trend, after the first seconds."""
    arrived = seen.column("arrived")
    settled = arrived - arrived[0] >= settle_s
    latencies, times = seen.column("age_s")[settled], arrived[settled]
    if len(times) < 2 or np.isnan(latencies).any():
        report.check("latency", False, "frames lack age_s, or the run is shorter than --settle")
        return
    step = float((times[-1] - times[0]) / (len(times) - 1))
    report.say("a frame takes", f"{1000 * step:.1f} ms, {1 / step:.2f} a second")
    report.say("latency", percentiles(latencies))
    p99 = float(np.percentile(latencies, 99))
    report.check(
        "latency p99", p99 < 2 * step, f"{p99 / step:.2f} times what one frame takes, below 2"
    )
    check_trend(report, "latency trend", trend(times, latencies))


def check_trend(report: Report, label: str, line: Trend | None) -> None:
    if line is None:
        report.say(label, f"not fitted, under {4 * BLOCK_S:.0f} s")
    else:
        report.check(label, not line.rises, f"{line}, not above 0 by 2 standard errors")


def report_camera_delay(report: Report, seen: Seen, words: argparse.Namespace) -> None:
    """Tells the time from the camera's clock to the line of JSON, which `age_s` is a part of.

    What waits in buffers of the system or the decoder shows here alone. No frame is lost on the
    way over TCP and all are counted, so frame `n` of the results is the n-th that was sent.
    """
    arrived = seen.column("arrived")
    settled = arrived - arrived[0] >= words.settle
    if len(seen.sent) != 1 or np.count_nonzero(settled) < 2:
        report.say("camera to line", f"not told, the camera made {len(seen.sent)} streams")
        return
    sent_at = seen.origin + (seen.sent[0][1] + seen.column("frame")) / words.fps
    delay, times = (arrived - sent_at)[settled], arrived[settled]
    report.say("camera to line", percentiles(delay))
    check_trend(report, "its trend", trend(times, delay))


def report_counts(report: Report, seen: Seen, *, is_load_test: bool) -> None:
    """Tells frames and drops, and whether they add up at every frame."""
    index, dropped = seen.column("frame"), seen.column("dropped")
    off = index + 1 - (np.arange(len(index)) + 1 + dropped)
    wrong = int(np.count_nonzero(off != 0))
    report.say("frames", f"{len(index)} and {dropped[-1]:.0f} dropped, last index {index[-1]:.0f}")
    report.check("drops counted", wrong == 0, f"index + 1 = frames + dropped but in {wrong} frames")
    if is_load_test:
        report.check("overloaded", dropped[-1] > 0, "the stream is faster than the detector")
    for count, first in seen.sent:
        report.say("camera sent", f"{count} from its frame {first} on, {count - index[-1] - 1:.0f} "
                   "of them after the last result's")  # fmt: skip


def report_memory(report: Report, seen: Seen, limit_mb: float) -> None:
    """Tells resident memory after the first minute and at the end."""
    start, _ = seen.memory[0]
    times = np.array([at - start for at, _ in seen.memory])
    values = np.array([mb for _, mb in seen.memory])
    begin = 60.0 if times[-1] >= 90 else times[-1] / 2
    early = float(np.median(values[(times >= begin) & (times <= begin + 10)]))
    late = float(np.median(values[times >= times[-1] - 10]))
    report.say("memory", f"{early:.1f} MB after {begin:.0f} s, {late:.1f} MB at the end")
    report.check("memory growth", late - early <= limit_mb, f"{late - early:+.2f} MB")


def report_restart(report: Report, seen: Seen, words: argparse.Namespace) -> None:
    """Prints whether the stream came back, and which ids persist."""
    found = survivors(seen, words.down)
    if found is None:
        report.check("restart", False, "no pause was seen in the results")
        return
    told = [line.split()[1] for line in seen.errors if line.startswith("reconnects ")]
    report.check("reconnects", told == ["1"], f"the summary says {told}, expected 1")
    report.say("pause", f"{found.gap_s:.2f} s of the stream's time")
    report.check(
        "ids",
        found.kept > 0 and not found.changed,
        f"{found.kept} kept, {found.changed} changed, {found.gone} not seen again at their place",
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="Words after -- are for `tracker run`; by default: --detector small --imgsz 640",
    )
    parser.add_argument("video", type=Path)
    parser.add_argument("--seconds", type=float, default=600.0, help="after the first result")
    parser.add_argument("--fps", type=float, default=30.0, help="of the camera")
    parser.add_argument("--key-interval-s", type=float, default=1.0, help="between key frames")
    parser.add_argument("--settle", type=float, default=15.0, help="seconds left out of delays")
    parser.add_argument("--restart-at", type=float, help="seconds after which the camera goes off")
    parser.add_argument("--down", type=float, default=1.0, help="seconds until it is back")
    parser.add_argument("--limit-mb", type=float, default=20.0, help="growth that is a failure")
    parser.add_argument("--keep", type=Path, help="file for the JSON Lines that were read")
    given = sys.argv[1:]
    end = given.index("--") if "--" in given else len(given)
    words = parser.parse_args(given[:end])
    words.tracker = given[end + 1 :] or ["--detector", "small", "--imgsz", "640"]
    return words


def main() -> None:
    words = arguments()
    if server_python() is None:
        print("skipped: the system's Python has no GStreamer RTSP server, see rtsp_server.py")
        return
    cores = len(os.sched_getaffinity(0))
    print(f"{platform.machine()}, {cores} cores, Python {platform.python_version()}; {words.video} "
          f"at {words.fps:g} fps, tracker run {' '.join(words.tracker)}")  # fmt: skip
    seen, code = watch(words)
    if words.keep is not None:
        records = [seen.header, *seen.lines, seen.footer]
        words.keep.write_text("".join(json.dumps(record) + "\n" for record in records))
    report = Report()
    report_counts(report, seen, is_load_test=words.restart_at is None)
    report_delay(report, seen, words.settle)
    if words.restart_at is None:
        report_camera_delay(report, seen, words)
    report_memory(report, seen, words.limit_mb)
    if words.restart_at is not None:
        report_restart(report, seen, words)
    expected = 128 + signal.SIGINT
    report.check("exit", code == expected and bool(seen.footer), f"code {code}, Ctrl-C gives 130")
    print("\nwhat the program said:\n" + "".join(seen.errors))
    sys.exit(1 if report.failed else 0)


if __name__ == "__main__":
    main()
