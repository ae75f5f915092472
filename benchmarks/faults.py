"""Faults that are really caused: kills, full disks, damaged inputs, bad networks, clocks that jump.

    python benchmarks/faults.py --kills 200 --runs 10 --seed 0

Each run is `tracker run` on a small clip with the motion detector. What is interrupted is continued
with `--resume`, and compared with a run that was not: JSON byte by byte, the video frame by frame
(count and times). The kills fork a process that has loaded the libraries, which is faster than
starting Python 240 times and changes nothing else; `--processes` starts a new Python each time.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from clock_faults import CLOCK_FAULTS
from fault_bench import (
    FILES,
    NOBODY,
    ZONES,
    Bench,
    Row,
    differs,
    loopback_server,
    note_end,
    run,
    started,
    unreadable,
    write_clip,
)
from rtsp_faults import RTSP_FAULTS
from source_faults import SOURCE_FAULTS


def kills(bench: Bench, count: int) -> Row:
    """Kills at random times, in the middle of what an earlier kill left, until each run ends."""
    row = Row("killed", "SIGKILL at a random time, `--resume`, killed again, ... to the end")
    longest = 1.5 * _seconds(bench)
    while row.runs < count:
        with bench.place() as folder:
            begun = False
            while True:
                words = bench.words(None, *(["--resume"] if begun else []))
                child = started(bench, words, folder)
                is_last = row.runs >= count
                code = _killed(child, None if is_last else bench.rng.uniform(0, longest))
                if code is not None:
                    break
                begun = True
                row.runs += 1
                if found := unreadable(folder):
                    row.lost += 1
                    row.notes.append(found)
            if code or (found := differs(bench, folder)):
                row.wrong += 1
                row.notes.append(f"exit code {code}" if code else found)
                _keep(bench, folder)
    return row


def _seconds(bench: Bench) -> float:
    with bench.place() as folder:
        start = time.monotonic()
        os.waitpid(started(bench, bench.words(), folder), 0)
        return time.monotonic() - start


def _killed(child: int, after_s: float | None) -> int | None:
    """Returns the exit code of a process that ended before it was killed, else `None`."""
    end = None if after_s is None else time.monotonic() + after_s
    while end is None or time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _keep(bench: Bench, folder: Path) -> None:
    kept = bench.folder / f"wrong-{folder.name}"
    shutil.copytree(folder, kept)
    print(f"kept {kept}", file=sys.stderr)


def _after_interruption(bench: Bench, row: Row, folder: Path) -> None:
    """Checks what is left, continues it, and compares the result."""
    if found := unreadable(folder):
        row.lost += 1
        row.notes.append(found)
    again = run(bench.words(None, "--resume"), folder)
    if again.returncode or (found := differs(bench, folder)):
        row.wrong += 1
        row.notes.append(found if not again.returncode else again.stderr.strip()[-200:])
        _keep(bench, folder)


def full_disk(bench: Bench, count: int) -> Row:
    row = Row("disk full", "largest size of a file (`RLIMIT_FSIZE`) at random, then `--resume`")
    largest = (bench.whole / "out.mp4").stat().st_size
    for _ in range(count):
        limit = bench.rng.randrange(2_000, largest)
        with bench.place() as folder:
            done = run(bench.words(), folder, preexec_fn=_limits(resource.RLIMIT_FSIZE, limit))
            row.runs += 1
            note_end(row, done)
            _after_interruption(bench, row, folder)
    return row


def full_file_system(bench: Bench, count: int) -> Row:
    row = Row("file system full", "a tmpfs of random size, enlarged, then `--resume`")
    for _ in range(count):
        with bench.place() as folder:
            size = bench.rng.randrange(60, 400)
            mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(folder)]
            if subprocess.run(mount, capture_output=True, check=False).returncode:
                row.notes.append("not run: mounting is not allowed here")
                return row
            try:
                done = run(bench.words(), folder)
                row.runs += 1
                note_end(row, done)
                subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
                _after_interruption(bench, row, folder)
            finally:
                subprocess.run(["umount", str(folder)], check=True)
    return row


def truncated(bench: Bench, count: int) -> Row:
    row = Row("input cut off", "at a random byte")
    data = bench.clip.read_bytes()
    for _ in range(count):
        with bench.place() as folder:
            (folder / "in.mp4").write_bytes(data[: bench.rng.randrange(len(data))])
            _damaged(bench, row, folder)
    return row


def flipped(bench: Bench, count: int) -> Row:
    row = Row("input damaged", "1 to 64 bits flipped anywhere: packets, headers, index")
    for _ in range(count):
        data = bytearray(bench.clip.read_bytes())
        for _ in range(bench.rng.randint(1, 64)):
            data[bench.rng.randrange(len(data))] ^= 1 << bench.rng.randrange(8)
        with bench.place() as folder:
            (folder / "in.mp4").write_bytes(data)
            _damaged(bench, row, folder)
    return row


def _damaged(bench: Bench, row: Row, folder: Path) -> None:
    done = run(bench.words(folder / "in.mp4"), folder)
    row.runs += 1
    note_end(row, done)
    if (folder / "out.jsonl").exists():
        for line in (folder / "out.jsonl").read_bytes().splitlines():
            json.loads(line)


def removed_folder(bench: Bench, count: int) -> Row:
    row = Row("folder removed", "at a random time of the run")
    for _ in range(count):
        with bench.place() as folder:
            inner = folder / "out"
            inner.mkdir()
            words = [f"out/{word}" if word in FILES[1::2] else word for word in bench.words()]
            remove = lambda path=inner: shutil.rmtree(path, ignore_errors=True)  # noqa: E731
            with _once(inner / "out.jsonl", bench.rng.uniform(0, 0.4), remove):
                done = run(words, folder)
            row.runs += 1
            note_end(row, done)
    return row


def revoked(bench: Bench, count: int) -> Row:
    row = Row("permission revoked", "of the folder, before or while an ordinary user runs")
    if os.getuid():
        row.notes.append("not run: needs root to become another user")
        return row
    program = Path(sys.executable).resolve()
    probe = [str(program), "-c", "pass"]
    try:
        subprocess.run(probe, user=NOBODY, group=NOBODY, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        row.notes.append(f"not run: an ordinary user may not run {program}")
        return row
    for number in range(count):
        with bench.place() as folder:
            os.chown(folder, NOBODY, NOBODY)
            revoke = lambda path=folder: path.chmod(0o555)  # noqa: E731
            place = bench.clip if number % 2 else folder / "out.jsonl"
            environment = {**os.environ, "HOME": "/tmp", "XDG_CACHE_HOME": "/tmp/nobody-cache"}
            with _once(place, bench.rng.uniform(0, 0.2), revoke):
                done = run(bench.words(), folder, user=NOBODY, group=NOBODY, env=environment)
            folder.chmod(0o755)
            row.runs += 1
            note_end(row, done)
            if not done.returncode and (found := differs(bench, folder)):
                row.wrong += 1
                row.notes.append(found)
    return row


@contextmanager
def _once(path: Path, after_s: float, action: Callable[[], None]) -> Iterator[None]:
    """Acts some seconds after a file has appeared, or not at all."""
    over = threading.Event()

    def wait() -> None:
        while not path.exists() and not over.is_set():
            time.sleep(0.001)
        if not over.wait(after_s):
            action()

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def few_descriptors(bench: Bench, count: int) -> Row:
    row = Row("few descriptors", "`RLIMIT_NOFILE` of 6 to 40")
    for _ in range(count):
        _starved(bench, row, resource.RLIMIT_NOFILE, bench.rng.randint(6, 40))
    return row


def little_memory(bench: Bench, count: int) -> Row:
    row = Row("little memory", "`RLIMIT_AS` of 0.5 to 1.6 GB")
    for _ in range(count):
        _starved(bench, row, resource.RLIMIT_AS, int(bench.rng.uniform(0.5, 1.6) * 1e9))
    return row


def _starved(bench: Bench, row: Row, kind: int, limit: int) -> None:
    with bench.place() as folder:
        done = run(bench.words(), folder, preexec_fn=_limits(kind, limit))
        row.runs += 1
        if not done.returncode:
            found = differs(bench, folder)
            row.wrong += bool(found)
            row.notes += [found] if found else ["completes"]
            return
        lines = done.stderr.strip().splitlines()
        is_clean = "Traceback" not in done.stderr
        row.notes.append("an error" if is_clean else f"a traceback: {lines[-1][:80]}")
        if (folder / "out.jsonl").exists():
            _after_interruption(bench, row, folder)


def bad_network(bench: Bench, count: int) -> Row:
    row = Row("web server stalls, resets, lies", "`--webhook` to a loopback server of each kind")
    kinds: tuple[Callable[[socket.socket], None], ...] = (_stall, _reset, _lie)
    for number in range(count):
        with bench.place() as folder, loopback_server(kinds[number % len(kinds)]) as port:
            done = run(bench.words(None, "--webhook", f"http://127.0.0.1:{port}/hook"), folder)
            row.runs += 1
            note_end(row, done)
            if found := differs(bench, folder):
                row.wrong += 1
                row.notes.append(found)
    return row


def _stall(connection: socket.socket) -> None:
    time.sleep(60)


def _reset(connection: socket.socket) -> None:
    connection.recv(100)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def _lie(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 999 ok\r\nContent-Length: 99999999\r\n\r\n{")


def _limits(kind: int, limit: int) -> Callable[[], None]:
    def apply() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(kind, (limit, limit))

    return apply


FAULTS: dict[str, Callable[[Bench, int], Row]] = {
    "disk": full_disk,
    "tmpfs": full_file_system,
    "cut": truncated,
    "bits": flipped,
    "folder": removed_folder,
    "permission": revoked,
    "descriptors": few_descriptors,
    "memory": little_memory,
    "network": bad_network,
    **SOURCE_FAULTS,
    **RTSP_FAULTS,
    **CLOCK_FAULTS,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--runs", type=int, default=10, help="runs of each other fault")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help=f"some of kill,rtsp,{','.join(FAULTS)}")
    parser.add_argument("--processes", action="store_true", help="start Python for each kill")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else ["kill", *FAULTS]
    # Imported before the forks.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import tracker.cli.run.resume
    import tracker.detection.motion
    import tracker.sinks.stateful
    import tracker.sinks.video_file  # noqa: F401

    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    folder.chmod(0o755)
    clip, zones, whole = folder / "in.mp4", folder / "zones.yaml", folder / "whole"
    write_clip(clip)
    zones.write_text(ZONES, encoding="utf-8")
    whole.mkdir()
    rng = random.Random(options.seed)
    bench = Bench(folder, clip, zones, whole, rng, not options.processes)
    run(bench.words(), whole).check_returncode()
    print("| fault | how | runs | frames lost beyond the last flush | wrong results | ends |")
    print("|---|---|---|---|---|---|", flush=True)
    if "kill" in wanted:
        print(kills(bench, options.kills).line(), flush=True)
    for name, cause in FAULTS.items():
        if name in wanted or name.partition("-")[0] in wanted:
            print(cause(bench, options.runs).line(), flush=True)
    if not list(folder.glob("wrong-*")):
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
