"""Faults of network sources, for `faults.py`: HTTP servers and HLS playlists that misbehave.

A server on this machine answers as each kind of fault says. A run has to end by itself with one
line at most, and what it leaves has to be readable: its frames are those of the undisturbed run, or
the first ones of them.
"""

import itertools
import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import av
from fault_bench import Bench, Row, loopback_server, note_end, unreadable

QUICK = (
    *("--set", "source.live.stall_s=2", "--set", "source.live.open_timeout_s=2"),
    *("--reconnect", "1"),
)
LONGEST_S = 300
"""Seconds after which a run counts as one that hangs, on a busy machine."""

Answer = Callable[[socket.socket, bytes, int, random.Random], None]


def _headers(connection: socket.socket, status: str, *lines: str) -> None:
    text = "\r\n".join([f"HTTP/1.1 {status}", "Content-Type: video/mp4", *lines, "", ""])
    connection.sendall(text.encode())


def _part(connection: socket.socket, data: bytes, start: int, *, length: int | None = None) -> None:
    """Sends the headers of a part from `start` on."""
    count = len(data) - start if length is None else length
    place = f"Content-Range: bytes {start}-{len(data) - 1}/{len(data)}"
    _headers(connection, "206 Partial Content", f"Content-Length: {count}", place)


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def _too_long(connection: socket.socket, data: bytes, start: int, rng: random.Random) -> None:
    _part(connection, data, start, length=len(data) - start + rng.randrange(1, 100_000))
    connection.sendall(data[start:])


def _too_short(connection: socket.socket, data: bytes, start: int, rng: random.Random) -> None:
    _part(connection, data, start, length=(len(data) - start) // 2)
    connection.sendall(data[start:])


def _no_ranges(connection: socket.socket, data: bytes, start: int, rng: random.Random) -> None:
    _headers(connection, "200 OK", f"Content-Length: {len(data)}")
    connection.sendall(data)


def _drip(connection: socket.socket, data: bytes, start: int, rng: random.Random) -> None:
    _part(connection, data, start)
    for at in range(start, len(data), 2048):
        connection.sendall(data[at : at + 2048])
        time.sleep(0.01)


def _cut(connection: socket.socket, data: bytes, start: int, rng: random.Random) -> None:
    _part(connection, data, start)
    connection.sendall(data[start : rng.randrange(start, len(data) + 1)])
    _reset(connection)


def _stall(connection: socket.socket, data: bytes, start: int, rng: random.Random) -> None:
    _part(connection, data, start)
    connection.sendall(data[start : rng.randrange(start, len(data) + 1)])
    time.sleep(30)


def _other_part(connection: socket.socket, data: bytes, start: int, rng: random.Random) -> None:
    _part(connection, data, start)
    connection.sendall(data[max(start - rng.randrange(1, 500), 0) :])


def _damage(connection: socket.socket, data: bytes, start: int, rng: random.Random) -> None:
    _part(connection, data, start)
    noisy = bytearray(data[start:])
    for _ in range(rng.randrange(1, 40)):
        if noisy:
            noisy[rng.randrange(len(noisy))] ^= 1 << rng.randrange(8)
    connection.sendall(noisy)


def _busy(connection: socket.socket, data: bytes, start: int, rng: random.Random) -> None:
    if rng.random() < 0.5:
        _headers(connection, "503 Service Unavailable", "Content-Length: 0")
        return
    _part(connection, data, start)
    connection.sendall(data[start:])


def _chunks(connection: socket.socket, data: bytes, start: int, rng: random.Random) -> None:
    _headers(connection, "200 OK", "Transfer-Encoding: chunked")
    for at in range(0, len(data), 8192):
        piece = data[at : at + 8192]
        wrong = rng.choice((0, 0, 0, 1, -1, 7))
        connection.sendall(b"%x\r\n%s\r\n" % (max(len(piece) + wrong, 0), piece))
    connection.sendall(b"0\r\n\r\n")


_ANSWERS: dict[str, Answer] = {
    "Content-Length too long": _too_long,
    "Content-Length too short": _too_short,
    "ranges refused": _no_ranges,
    "slow drip": _drip,
    "reset in the middle": _cut,
    "stall in the middle": _stall,
    "another range than asked for": _other_part,
    "damaged bytes": _damage,
    "503 now and then": _busy,
    "wrong chunk sizes": _chunks,
}


def http_files(bench: Bench, count: int) -> Row:
    row = Row("HTTP file", f"a loopback server: {', '.join(_ANSWERS)}")
    clip = _index_first(bench)
    for number in range(count):
        name = list(_ANSWERS)[number % len(_ANSWERS)]
        data = (bench.clip if bench.rng.random() < 0.5 else clip).read_bytes()
        rng = random.Random(bench.rng.random())
        answer = partial(_reply, answer=_ANSWERS[name], data=data, rng=rng)
        with bench.place() as folder, loopback_server(answer) as port:
            address = f"http://127.0.0.1:{port}/in.mp4"
            done = run_on(bench.words(None, *QUICK), folder, address)
            _check_prefix(bench, row, folder, done, name)
    return row


def _reply(connection: socket.socket, *, answer: Answer, data: bytes, rng: random.Random) -> None:
    request = connection.recv(1 << 16).decode("latin-1")
    start = 0
    for line in request.splitlines():
        if line.lower().startswith("range: bytes="):
            start = min(int(line[13:].partition("-")[0] or 0), len(data))
    answer(connection, data, start, rng)


def _index_first(bench: Bench) -> Path:
    """Returns the clip with its index at the beginning, for servers without ranges."""
    path = bench.folder / "index-first.mp4"
    if not path.exists():
        with av.open(str(bench.clip)) as source:
            with av.open(str(path), "w", options={"movflags": "+faststart"}) as target:
                stream = target.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.dts is not None:
                        packet.stream = stream
                        target.mux(packet)
    return path


def run_on(
    words: list[str], folder: Path, address: str, **more: Any
) -> subprocess.CompletedProcess[str] | None:
    """Runs the command on an address; `None` where it does not end."""
    words = ["run", address, *words[2:]]
    command = [sys.executable, "-m", "tracker", *words]
    try:
        return subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
            **more,
        )
    except subprocess.TimeoutExpired:
        return None


def frames_of(path: Path) -> list[dict[str, Any]]:
    """Returns the frames of the complete lines of a file; none where there is no file."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [record for record in map(json.loads, lines) if record["kind"] == "frame"]


def _check_prefix(
    bench: Bench, row: Row, folder: Path, done: subprocess.CompletedProcess[str] | None, name: str
) -> None:
    """Checks the end of a run, and that its frames are the first ones of the whole."""
    row.runs += 1
    if done is None:
        row.wrong += 1
        row.notes.append(f"{name}: does not end")
        return
    note_end(row, done)
    if found := unreadable(folder):
        row.lost += 1
        row.notes.append(f"{name}: {found}")
        return
    frames, whole = frames_of(folder / "out.jsonl"), frames_of(bench.whole / "out.jsonl")
    if name != "damaged bytes" and frames != whole[: len(frames)]:
        row.wrong += 1
        row.notes.append(f"{name}: other frames")
    if done.returncode == 0:
        row.notes.append("complete" if len(frames) == len(whole) else f"{name}: {len(frames)}")
        row.wrong += len(frames) != len(whole) and name != "damaged bytes"


# --- HLS ---

_LISTED = ("all", "slides", "stalls", "goes back", "404", "empty", "noise", "piece cut")


def hls(bench: Bench, count: int) -> Row:
    row = Row("HLS", f"a playlist that: {', '.join(_LISTED)}")
    folder = _segments(bench)
    for number in range(count):
        kind = _LISTED[number % len(_LISTED)]
        server = _Playlist(folder, kind, random.Random(bench.rng.random()))
        with bench.place() as place, loopback_server(server.reply) as port:
            address = f"http://127.0.0.1:{port}/live.m3u8"
            done = run_on(bench.words(None, *QUICK, "--max-frames", "60"), place, address)
            check_live(row, place, done, kind)
    return row


def _segments(bench: Bench) -> Path:
    """Returns a folder with the clip in pieces of two seconds."""
    folder = bench.folder / "hls"
    if not folder.exists():
        folder.mkdir()
        name = str(folder / "whole.m3u8")
        options = {"hls_time": "2", "hls_list_size": "0"}
        with av.open(str(bench.clip)) as source, av.open(name, "w", "hls", options) as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
    return folder


class _Playlist:
    """Answers with a playlist that changes with time, and with its pieces."""

    def __init__(self, folder: Path, kind: str, rng: random.Random) -> None:
        self._pieces = sorted(folder.glob("*.ts"), key=lambda path: (len(path.name), path.name))
        self._kind, self._rng = kind, rng
        self._start = time.monotonic()

    def reply(self, connection: socket.socket) -> None:
        path = connection.recv(1 << 16).split()[1].decode()
        body = self._text().encode() if path.endswith(".m3u8") else self._piece(path)
        if body is None:
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def _piece(self, path: str) -> bytes | None:
        number = int(path.lstrip("/").partition(".")[0])
        if self._kind == "404" and number >= 2:
            return None
        data = self._pieces[number].read_bytes()
        return data[: len(data) // 3] if self._kind == "piece cut" and number == 1 else data

    def _text(self) -> str:
        passed = int(time.monotonic() - self._start)
        last = {"all": 8, "slides": 3 + passed, "goes back": 3 + passed // 2}.get(self._kind, 3)
        last = min(last, len(self._pieces))
        first = max(last - 3, 0) if self._kind in {"slides", "goes back"} else 0
        if self._kind == "goes back" and passed % 4 == 3:
            first, last = 0, 3
        if self._kind == "empty" and passed >= 1:
            return "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
        if self._kind == "noise" and passed >= 1:
            return "".join(chr(self._rng.randrange(1, 300)) for _ in range(500))
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2"]
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{first}")
        lines += [f"#EXTINF:2.0,\n{number}.ts" for number in range(first, last)]
        is_over = last == len(self._pieces) or self._kind in {"404", "piece cut"}
        return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if is_over else []), ""])


def check_live(
    row: Row, folder: Path, done: subprocess.CompletedProcess[str] | None, kind: str
) -> list[dict[str, Any]]:
    """Checks the end of a live run, and that numbers and times of its frames rise."""
    row.runs += 1
    if done is None:
        row.wrong += 1
        row.notes.append(f"{kind}: does not end")
        return []
    note_end(row, done)
    frames = frames_of(folder / "out.jsonl")
    for name in ("frame", "time_s"):
        values = [frame[name] for frame in frames]
        if any(a >= b for a, b in itertools.pairwise(values)):
            row.wrong += 1
            row.notes.append(f"{kind}: {name} does not rise")
    if done.returncode == 0:
        row.notes.append("complete")
    return frames


SOURCE_FAULTS: dict[str, Callable[[Bench, int], Row]] = {"http": http_files, "hls": hls}
