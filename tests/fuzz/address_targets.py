"""Targets of the network: addresses, answers of HTTP servers, HLS playlists and their pieces."""

import contextlib
import random
import socket
import threading
from functools import cache
from pathlib import Path

import numpy as np

from tests.fuzz.engine import Target, checked_message
from tests.fuzz.mutators import mutate_bytes, mutate_text
from tracker.errors import LONGEST_MESSAGE, TrackerError
from tracker.registry.entries import check_address, shown
from tracker.registry.http import Resume, open_address, redirect_problem
from tracker.sources.live.address import with_environment
from tracker.sources.live.http_cause import true_cause
from tracker.sources.live.settings import LiveSettings
from tracker.sources.live.stream import NetworkStream
from tracker.sources.live.stream_errors import BROKEN, UNREACHABLE
from tracker.sources.source_kind import source_kind
from tracker.sources.source_names import source_names
from tracker.util.address import mask_words, scheme_of, shown_address, shown_source, split_user

SECRET = "s3cr3tWord"
ENVIRONMENT = {"CAM_USER": "me", "CAM_PASSWORD": SECRET, "EMPTY": ""}


def _addresses() -> list[bytes]:
    return [
        text.encode()
        for text in (
            f"rtsp://admin:{SECRET}@camera:554/live?token={SECRET}&channel=1#x",
            "rtsp://${CAM_USER}:${CAM_PASSWORD}@door/main",
            f"https://[fe80::1%25eth0]:8080/a/{SECRET}9a8b7c6d5e4f/live.m3u8?a=b;c=d",
            f"rtmp://host/app/{SECRET}",
            "udp://@239.0.0.1:5000",
            "srt://host:9000?mode=caller&passphrase=x",
            "http://host/%61/b%20c/../d.mp4",
            f"user:{SECRET}@host/path",
            f"http:/me:{SECRET}@host/x",
            "in.mp4",
        )
    ]


def _use_address(data: bytes, folder: Path) -> object:
    """Calls everything that takes apart or shows an address."""
    text = data.decode("utf-8", "surrogateescape")
    once = shown_address(text)
    assert shown_address(once) == once, "an address that is shown is not shown as it is"
    shown_source(text)
    shown(text)
    mask_words(f"wrong: {text}", [text, f"--source={text}"])
    split_user(text)
    redirect_problem("http://host/a", text)
    _well_formed_hides_its_secret(text)
    marks: list[object] = [scheme_of(text)]
    for read in (
        lambda: source_kind(text).value,
        lambda: with_environment(text, ENVIRONMENT) == text,
        lambda: check_address(text),
        lambda: source_names([text, text]) and "named",
    ):
        try:
            marks.append(read())
        except TrackerError as error:
            message = checked_message(error, folder)
            marks.append(message.partition(": ")[2][:20])
    return tuple(marks)


def _well_formed_hides_its_secret(text: str) -> None:
    """A password of letters and digits before one `@`, whatever else was changed."""
    if scheme_of(text) is None or f":{SECRET}@" not in text or text.count("@") != 1:
        return
    if text.count(SECRET) == 1:
        for name in (shown_address(text), shown_source(text), shown(text)):
            assert SECRET not in name, name


class _Raw:
    """A server on this machine that answers every connection with the same bytes, and closes."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.answer = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.settimeout(2)
                connection.recv(1 << 14)
                connection.sendall(self.answer.replace(b"@PORT@", str(self.port).encode()))
                connection.shutdown(socket.SHUT_WR)


@cache
def _server() -> _Raw:
    return _Raw()


_BODY = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom\x00\x00\x00\x08mdat" + b"x" * 40


def _answers() -> list[bytes]:
    length = str(len(_BODY)).encode()
    return [
        b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nETag: \"1\"\r\nContent-Length: "
        + length + b"\r\n\r\n" + _BODY,
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-71/72\r\nContent-Length: "
        + length + b"\r\n\r\n" + _BODY,
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:@PORT@/b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html>",
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08",
    ]  # fmt: skip


def _mutate_answer(rng: random.Random, data: bytes) -> bytes:
    return mutate_text(rng, data) if rng.randrange(5) else mutate_bytes(rng, data)


def _use_answer(data: bytes, folder: Path) -> object:
    """The search for a cause gives one line; a download a part of the size, or one line."""
    server = _server()
    server.answer = data
    address = f"http://me:{SECRET}@127.0.0.1:{server.port}/video.mp4?token={SECRET}"
    marks = [str(true_cause(address, failure, timeout_s=2)) for failure in (BROKEN, UNREACHABLE)]
    for offset in (0, 10):
        try:
            found = open_address(address, Resume(offset, '"1"'), size=len(_BODY), timeout_s=2)
        except TrackerError as error:
            marks.append(str(error))
            continue
        with found.response:
            assert found.offset in {0, offset}
            with contextlib.suppress(Exception):  # of a body that is cut: `download.py` handles it
                assert len(found.response.read(1 << 16)) <= 1 << 16
            marks.append(f"{found.offset} {found.tag is None}")
    for text in marks:
        assert "\n" not in text, text
        assert SECRET not in text, text
        assert len(text) <= LONGEST_MESSAGE, text
    return tuple(text[:60] for text in marks)


@cache
def _pieces() -> tuple[bytes, ...]:
    """Three pieces of MPEG-TS of two frames each."""
    import io

    import av

    found = []
    for number in range(3):
        stream = io.BytesIO()
        with av.open(stream, "w", format="mpegts") as container:
            video = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
            video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
            for index in range(2):
                image = np.full((32, 32, 3), 40 * (index + number), np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts = number * 2 + index
                container.mux(video.encode(frame))
            container.mux(video.encode())
        found.append(stream.getvalue())
    return tuple(found)


PLAYLIST = b"""#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:1
#EXT-X-MEDIA-SEQUENCE:0
#EXTINF:0.2,
0.ts
#EXT-X-DISCONTINUITY
#EXTINF:0.2,
1.ts
#EXTINF:0.2,
2.ts
#EXT-X-ENDLIST
"""
MASTER = b"""#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=1280000,RESOLUTION=32x32,CODECS="avc1.42c01e"
media.m3u8
"""


class _Folder(_Raw):
    """Serves a playlist as every `.m3u8`, and the pieces, whole or damaged."""

    def __init__(self) -> None:
        self.playlist, self.pieces = PLAYLIST, _pieces()
        super().__init__()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._reply, args=(connection,), daemon=True).start()

    def _reply(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, IndexError, ValueError):
            connection.settimeout(2)
            path = connection.recv(1 << 14).split()[1].decode().rpartition("/")[2]
            body = self.playlist
            if path.endswith(".ts"):
                body = self.pieces[int(path[0])]
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode() + body)


@cache
def _folder() -> _Folder:
    return _Folder()


def _use_playlist(data: bytes, folder: Path) -> object:
    """Opens and reads a stream for at most 30 frames: frames, or one line."""
    server = _folder()
    playlist, mark, damage = data.partition(b"\n@piece@")
    server.playlist = playlist
    server.pieces = (damage, *_pieces()[1:]) if mark else _pieces()
    settings = LiveSettings(open_timeout_s=1.0, stall_s=1.0)
    address = f"http://127.0.0.1:{server.port}/live.m3u8"
    count, last = 0, -1.0
    with NetworkStream(address, settings) as stream:
        if stream.info.is_live:
            return "live"  # would be reconnected for ever
        for frame in stream:
            count += 1
            assert frame.time_s >= last
            last = frame.time_s
            if count == 30:
                break
    return count


def _mutate_playlist(rng: random.Random, data: bytes) -> bytes:
    playlist, mark, damage = data.partition(b"\n@piece@")
    if rng.randrange(3):
        return mutate_text(rng, playlist) + mark + damage
    return playlist + b"\n@piece@" + mutate_bytes(rng, damage or _pieces()[0])


TARGETS = (
    Target("addresses", _addresses, mutate_text, _use_address),
    Target("http-answers", _answers, _mutate_answer, _use_answer, short_executions=40),
    Target("hls", lambda: [PLAYLIST], _mutate_playlist, _use_playlist, short_executions=15),
)  # fmt: skip
"""Readers of what comes over a network."""
