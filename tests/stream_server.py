"""Servers on this machine for streams that misbehave as they are told."""

import base64
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import av
import numpy as np

from tests.sources.clips import grey_frame, level
from tracker.util.opencv import cv2

SIZE = (64, 48)


def jpeg(value: int, size: tuple[int, int] = SIZE) -> bytes:
    """A grey JPEG."""
    _, data = cv2.imencode(".jpg", np.full((size[1], size[0], 3), value, np.uint8))
    return data.tobytes()


@dataclass(frozen=True)
class Script:
    """How one request is answered; without arguments as a good camera does, without end."""

    status: int = 200
    frames: int | None = None
    fps: float = 100.0
    then: str = "ends"  # after the frames: ends, stalls, or is cut within an image
    damaged: frozenset[int] = frozenset()  # images whose content is no JPEG
    size: tuple[int, int] = SIZE
    other_size: range = range(0)  # images that are larger
    content: bytes | None = None  # in place of images
    user: str | None = None  # "user:password" that is asked for


class HttpServer(ABC):
    """A web server of a test; `stop` ends its connections too, `start` takes the same port."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[str] = []
        self.closing = threading.Event()

    @abstractmethod
    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Sends the response to a request."""

    def start(self) -> None:
        server = self
        self.closing = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                try:
                    server.answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client had enough

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._http.server_port
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self.closing.is_set():
            self.stop()


class MjpegServer(HttpServer):
    """An MJPEG camera; the n-th request gets the n-th script, later ones the last."""

    def __init__(self, *scripts: Script) -> None:
        super().__init__()
        self._scripts: Sequence[Script] = scripts or (Script(),)
        self.sent = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/video"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        script = self._scripts[min(len(self.requests), len(self._scripts)) - 1]
        status = 401 if _is_stranger(handler, script.user) else script.status
        handler.send_response(status)
        handler.send_header("Connection", "close")
        if status == 401:
            handler.send_header("WWW-Authenticate", 'Basic realm="camera"')
        if status != 200 or script.content is not None:
            handler.end_headers()
            handler.wfile.write(script.content or b"")
            return
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=image")
        handler.end_headers()
        self._stream(handler, script)

    def _stream(self, handler: BaseHTTPRequestHandler, script: Script) -> None:
        number = 0
        while script.frames is None or number < script.frames:
            size = (80, 60) if number in script.other_size else script.size
            data = jpeg(level(number), size)
            if number in script.damaged:
                data = b"\xff\xd8" + bytes(len(data) - 2)
            handler.wfile.write(_part(data))
            self.sent += 1
            number += 1
            if self.closing.wait(1 / script.fps):
                return
        if script.then == "stalls":
            self.closing.wait(20)
        elif script.then == "cut":
            data = _part(jpeg(level(number), script.size))
            handler.wfile.write(data[: len(data) - 200])


def _part(data: bytes) -> bytes:
    head = f"--image\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data + b"\r\n"


def _is_stranger(handler: BaseHTTPRequestHandler, user: str | None) -> bool:
    if user is None:
        return False
    expected = "Basic " + base64.b64encode(user.encode()).decode()
    return handler.headers.get("Authorization") != expected


class FolderServer(HttpServer):
    """The files of a folder, in ranges as they are asked for."""

    def __init__(self, folder: Path, *, cut: tuple[int, int] = (0, 0)) -> None:
        """`cut` is the number of a request, from 1, and the byte at which its answer breaks off."""
        super().__init__()
        self._folder = folder
        self._cut = cut

    def address(self, name: str, user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.port}/{name}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = self._folder / urlsplit(handler.path).path.lstrip("/")
        if not path.is_file():
            handler.send_error(404)
            return
        content = path.read_bytes()
        start, end = _range(handler.headers.get("Range"), len(content))
        handler.send_response(206)
        handler.send_header("Accept-Ranges", "bytes")
        handler.send_header("Content-Length", str(end - start))
        handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        handler.end_headers()
        number, cut_at = self._cut
        if len(self.requests) == number:
            end = max(start, cut_at)
        for at in range(start, end, 1 << 16):
            if self.closing.is_set():
                return
            handler.wfile.write(content[at : min(at + (1 << 16), end)])


def _range(header: str | None, length: int) -> tuple[int, int]:
    first, _, last = (header or "bytes=0-").removeprefix("bytes=").partition("-")
    return int(first), min(int(last) + 1, length) if last else length


@dataclass
class Sender:
    """Sends H.264 in MPEG-TS as it is encoded, a grey level a frame, until it is stopped."""

    write: Callable[[bytes], object]
    fps: int = 50
    keyframe_every: int = 10
    first: int = 0  # number and time of the first frame
    sent: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        options = {"tune": "zerolatency", "preset": "ultrafast", "qp": "10"}
        with av.open(self, "w", format="mpegts", options={"flush_packets": "1"}) as container:
            stream = container.add_stream("libx264", rate=self.fps, options=options)
            stream.width, stream.height = SIZE
            stream.pix_fmt = "yuv420p"
            stream.codec_context.gop_size = self.keyframe_every
            start = time.monotonic()
            while not self.stopping.is_set():
                frame = grey_frame(level(self.sent), SIZE)
                frame.pts, frame.time_base = self.first + self.sent, Fraction(1, self.fps)
                for packet in stream.encode(frame):
                    container.mux(packet)
                self.sent += 1
                self.stopping.wait(max(start + self.sent / self.fps - time.monotonic(), 0))


class _Packets:
    """A file for PyAV that sends what is written to a socket, and drops it when nobody listens."""

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self._send = send

    def write(self, data: bytes) -> int:
        try:
            for at in range(0, len(data), 1316):  # seven packets of MPEG-TS, one of the network
                self._send(bytes(data[at : at + 1316]))
        except OSError:
            pass
        return len(data)


class TsServer:
    """MPEG-TS over TCP for one client after the other, or over UDP to a port."""

    def __init__(self, *, udp_port: int | None = None, first: int = 0) -> None:
        self._udp_port = udp_port
        self._first = first
        self.port = udp_port or 0

    @property
    def address(self) -> str:
        return f"{'tcp' if self._udp_port is None else 'udp'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._sender: Sender | None = None
        self._stopping = threading.Event()
        if self._udp_port is None:
            self._socket = socket.create_server(("127.0.0.1", self.port))
            self.port = self._socket.getsockname()[1]
            work = self._serve
        else:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.connect(("127.0.0.1", self._udp_port))
            work = self._send
        self._thread = threading.Thread(target=work)
        self._thread.start()
        return self

    def _serve(self) -> None:
        self._socket.settimeout(0.05)
        while not self._stopping.is_set():
            try:
                client, _ = self._socket.accept()
            except TimeoutError:
                continue
            with client:
                self._run(client.sendall)

    def _send(self) -> None:
        self._run(self._socket.send)

    def _run(self, send: Callable[[bytes], object]) -> None:
        container_file = _Packets(send)
        sender = Sender(container_file.write, first=self._first, stopping=self._stopping)
        sender.run()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self._socket.close()


def free_udp_port() -> int:
    """A port that nobody listens on, as far as one can know."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
