"""A wall clock that jumps, for `faults.py`.

The clock of a run is moved by a small library that is loaded before the C library (`LD_PRELOAD`,
compiled here). Results of files have to be the same bytes; times of a live stream have to rise
as if nothing had happened.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
from fault_bench import OPTIONS, Bench, Row, differs, loopback_server, note_end, run, unreadable
from source_faults import LONGEST_S, QUICK, check_live, run_on

_SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

typedef int (*gettime)(clockid_t, struct timespec *);

static gettime real(void) {
    static gettime found;
    if (!found) found = (gettime)dlsym(RTLD_NEXT, "clock_gettime");
    return found;
}

/* JUMPS is "0.5:3600,0.9:-7200": seconds after the first call, seconds that the clock jumps by. */
static long offset(void) {
    static double start;
    struct timespec now;
    real()(CLOCK_MONOTONIC, &now);
    double passed = now.tv_sec + now.tv_nsec * 1e-9;
    if (!start) start = passed;
    long sum = 0;
    const char *text = getenv("JUMPS");
    while (text && *text) {
        char *end;
        double at = strtod(text, &end);
        long by = strtol(end + 1, &end, 10);
        if (passed - start >= at) sum += by;
        text = *end ? end + 1 : end;
    }
    return sum;
}

int clock_gettime(clockid_t id, struct timespec *out) {
    int failed = real()(id, out);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) out->tv_sec += offset();
    return failed;
}

int gettimeofday(struct timeval *out, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
"""


def _shim(bench: Bench, row: Row) -> Path | None:
    """Returns the library that moves the clock; `None` where it cannot be built or loaded."""
    path = bench.folder / "clock.so"
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        row.notes.append("not run: needs Linux and a C compiler")
        return None
    if not path.exists():
        words = [compiler, "-shared", "-fPIC", "-O1", "-x", "c", "-", "-o", str(path), "-ldl"]
        subprocess.run(words, input=_SHIM, text=True, check=True)
    code = "import time; print(time.time())"
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env=_environment(path, [(0.0, 10**9)]),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if abs(float(shown) - time.time() - 1e9) > 1000:
        row.notes.append("not run: the clock of Python does not follow the library")
        return None
    return path


def _environment(library: Path, jumps: list[tuple[float, int]]) -> dict[str, str]:
    text = ",".join(f"{at:.3f}:{by}" for at, by in jumps)
    return {**os.environ, "LD_PRELOAD": str(library), "JUMPS": text}


def _jumps(rng: random.Random) -> list[tuple[float, int]]:
    sizes = (3600, -3600, 86400, -86400, 31_536_000, -31_536_000, 1, -1)
    return [(rng.uniform(0, 4), rng.choice(sizes)) for _ in range(rng.randint(1, 6))]


def clock_and_file(bench: Bench, count: int) -> Row:
    row = Row(
        "clock jumps, file",
        "1 to 6 jumps of a second to a year, both ways; every second run is killed, then `--resume`"
        " with other jumps",
    )
    library = _shim(bench, row)
    for number in range(count if library else 0):
        assert library is not None
        with bench.place() as folder:
            if number % 2:
                _killed(bench, folder, _environment(library, _jumps(bench.rng)))
                if found := unreadable(folder):
                    row.lost += 1
                    row.notes.append(found)
            more = ("--resume",) if number % 2 else ()
            environment = _environment(library, _jumps(bench.rng))
            done = run(bench.words(None, *more), folder, env=environment)
            row.runs += 1
            note_end(row, done)
            if done.returncode or (found := differs(bench, folder)):
                row.wrong += 1
                row.notes.append(found if not done.returncode else done.stderr.strip()[-200:])
            else:
                row.notes.append("complete, the same bytes")
    return row


def _killed(bench: Bench, folder: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "tracker", *bench.words()]
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not (folder / "out.jsonl").exists() and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(bench.rng.uniform(0, 0.5))
    process.send_signal(signal.SIGKILL)
    process.wait()


def clock_and_stream(bench: Bench, count: int) -> Row:
    row = Row("clock jumps, live stream", "the same jumps while an MJPEG camera is read for 5 s")
    library = _shim(bench, row)
    images = _images(bench)
    for _ in range(count if library else 0):
        assert library is not None
        with bench.place() as folder, loopback_server(partial(_camera, images=images)) as port:
            words = ["run", "", *OPTIONS, "--json", "out.jsonl", *QUICK, "--max-frames", "100"]
            environment = _environment(library, _jumps(bench.rng))
            done = run_on(words, folder, f"http://127.0.0.1:{port}/x", env=environment)
            frames = check_live(row, folder, done, "camera")
            times = [frame["time_s"] for frame in frames]
            if not times or times[-1] - times[0] > LONGEST_S:
                row.wrong += 1
                row.notes.append(f"times from {times[:1]} to {times[-1:]}")
    return row


def _images(bench: Bench) -> list[bytes]:
    from tracker.util.opencv import cv2

    with av.open(str(bench.clip)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    return [cv2.imencode(".jpg", image)[1].tobytes() for image in frames]


def _camera(connection: socket.socket, *, images: list[bytes]) -> None:
    connection.recv(1 << 16)
    kind = b"multipart/x-mixed-replace; boundary=image"
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\n\r\n")
    for number in range(2000):
        image = images[number % len(images)]
        head = b"--image\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(image)
        connection.sendall(head + image + b"\r\n")
        time.sleep(0.05)


CLOCK_FAULTS: dict[str, Callable[[Bench, int], Row]] = {
    "clock": clock_and_file,
    "clock-live": clock_and_stream,
}
