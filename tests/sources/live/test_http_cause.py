"""Failures that FFmpeg reports alike are distinguished by the server's answer."""

import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import av
import pytest

from tests.conftest import moving_square
from tests.loopback_server import LoopbackServer
from tracker.errors import SourceError
from tracker.sources.live.http_cause import server_of, true_cause
from tracker.sources.live.settings import LiveSettings
from tracker.sources.live.stream import NetworkStream
from tracker.sources.live.stream_errors import BROKEN, NO_HOST, UNREACHABLE

QUICK = LiveSettings(open_timeout_s=1.0, stall_s=1.0)
OK = b"HTTP/1.1 200 OK\r\n"


class RawServer(LoopbackServer):
    """Sends prepared bytes to each connection, by the path that it asks for."""

    def __init__(self, answers: dict[str, bytes], *, endless: bytes = b"", pause_s: float = 0.0):
        super().__init__()
        self._answers = answers
        self._endless = endless
        self._pause_s = pause_s
        self.requests: list[bytes] = []
        self.sent = 0

    def address(self, path: str = "/video.mp4") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            with connection:
                try:
                    self._answer(connection)
                except OSError:
                    pass  # the client had enough

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        request = connection.recv(1 << 14)
        if not request:
            return
        self.requests.append(request)
        path = [*request.split(), b"", b""][1].decode("latin-1")
        connection.sendall(self._answers.get(path, self._answers.get("*", b"")))
        while self._endless and not self._closing.wait(self._pause_s):
            connection.sendall(self._endless)
            self.sent += len(self._endless)


def whole(body: bytes, kind: str = "video/mp4", status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def redirect(place: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()


def mp4(folder: Path, *, faststart: bool) -> bytes:
    path = folder / "a.mp4"
    flags = {"movflags": "+faststart"} if faststart else {}
    with av.open(str(path), "w", options=flags) as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = 120, 160, "yuv420p"
        for image in moving_square(200):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


def failure_of(address: str) -> str:
    with pytest.raises(SourceError) as raised, NetworkStream(address, QUICK) as stream:
        list(stream)
    message = str(raised.value)
    assert message.startswith(f"{address}: ")
    return message.removeprefix(f"{address}: ")


def test_an_index_at_the_end_without_ranges(tmp_path: Path) -> None:
    content = mp4(tmp_path, faststart=False)
    assert content.find(b"moov") > 65536
    with RawServer({"*": whole(content)}) as server:
        message = failure_of(server.address())
    assert "its index (moov box) is at the end of the file, and this server cannot" in message
    assert "-movflags +faststart" in message


def test_an_index_in_front_needs_no_ranges(tmp_path: Path) -> None:
    content = mp4(tmp_path, faststart=True)
    with RawServer({"*": whole(content)}) as server:
        with NetworkStream(server.address(), QUICK) as stream:
            assert sum(1 for _ in stream) == 200


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"/a": redirect("/b"), "/b": redirect("/a")}, "its server redirects in a circle"),
        ({"/a": redirect("/a")}, "its server redirects in a circle"),
        ({"/a": redirect("ftp://127.0.0.1/b")}, "its server redirects to ftp://, and http"),
        ({"/a": redirect("file:///etc/passwd")}, "its server redirects to file://, and http"),
        ({"/a": redirect("/b"), "/b": whole(b"", status="410 Gone")}, "answers 410 Gone; check"),
        ({"/a": b"HTTP/1.1 302 Found\r\n\r\n"}, "its server answers 302 and names no place"),
        ({"/a": whole(b"", status="400 Bad Request")}, "its server answers 400 Bad Request;"),
        ({"/a": whole(b"", status="401 Unauthorized")}, "user and password are missing or wrong"),
        ({"/a": whole(b"", status="403 Forbidden")}, "access is forbidden (403)"),
        ({"/a": whole(b"", status="404 Not Found")}, "nothing is there (404)"),
        ({"/a": whole(b"", status="429 Slow")}, "answers 429 Too Many Requests; wait"),
        ({"/a": whole(b"", status="500 Oh")}, "answers 500 Internal Server Error;"),
        ({"/a": whole(b"", status="503 Oh")}, "answers 503 Service Unavailable; try again"),
        ({"/a": whole(b"<html>" * 99, "text/html")}, "expected a video, got a web page"),
        ({"/a": whole(b"<!DOCTYPE html>" * 99)}, "expected a video, got a web page"),
        ({"/a": whole(b'{"error": 1}', "application/json")}, "got application/json"),
        ({"/a": whole(b"")}, "its answer is empty (0 bytes)"),
        ({"/a": b"SSH-2.0-OpenSSH_9.6\r\n"}, "its server speaks no HTTP there"),
        ({}, "its server closed the connection without an answer"),
    ],
)
def test_what_a_server_answers(answers: dict[str, bytes], message: str) -> None:
    with RawServer(answers) as server:
        assert message in failure_of(server.address("/a"))


@pytest.mark.parametrize(
    ("endless", "pause_s"),
    [(b"X-A: b\r\n", 0.05), (b"icy-a: " + b"b" * 1000 + b"\r\n", 0.0), (b"b" * 1000, 0.0)],
    ids=["drop by drop", "many", "one line"],
)
@pytest.mark.slow
def test_headers_without_end(endless: bytes, pause_s: float) -> None:
    with RawServer({"*": OK + b"X: "}, endless=endless, pause_s=pause_s) as server:
        assert failure_of(server.address()).startswith("the headers of its answer do not end")


def test_a_look_ends_in_time_and_reads_little() -> None:
    with RawServer({"*": OK}, endless=b"X-A: " + b"b" * 1000 + b"\r\n") as server:
        true_cause(server.address(), UNREACHABLE, timeout_s=5)
        assert server.sent < 10_000_000  # what the sockets hold included
    with RawServer({"*": OK}, endless=b"X", pause_s=0.02) as server:
        begun = time.monotonic()
        true_cause(server.address(), UNREACHABLE, timeout_s=0.2)
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize("scheme", ["http", "https", "rtsp"])
def test_a_host_that_does_not_exist(scheme: str) -> None:
    assert true_cause(f"{scheme}://no-such.invalid/a", UNREACHABLE, timeout_s=1) is NO_HOST


def test_malformed_places() -> None:
    for address, what in (("http://a:99999/x", "malformed"), ("http:///x", "names no host")):
        assert what in true_cause(address, UNREACHABLE, timeout_s=1).what


def test_no_tls() -> None:
    with RawServer({"*": whole(b"x" * 9)}) as server:
        address = server.address().replace("http:", "https:")
        assert "speaks no TLS there" in failure_of(address)


def test_what_looks_right_changes_nothing() -> None:
    with RawServer({"*": whole(b"\0" * 100)}) as server:
        assert true_cause(server.address(), BROKEN, timeout_s=1) is BROKEN


def test_a_password_goes_to_its_own_server_alone() -> None:
    with RawServer({"*": whole(b"")}) as other:
        answers = {"/a": redirect("/b"), "/b": redirect(other.address("/c"))}
        with RawServer(answers) as server:
            address = server.address("/a").replace("//", "//me:pw@")
            true_cause(address, UNREACHABLE, timeout_s=5)
    assert [b"Authorization: Basic" in request for request in server.requests] == [True, True]
    assert [b"Authorization" in request for request in other.requests] == [False]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("https://host/a", "http://host/a", False),
        ("http://host/a", "http://host:80/b", True),
        ("https://me:pw@HOST:443/a", "https://host/b", True),
        ("http://host/a", "http://host:8080/a", False),
        ("http://host/a", "http://host.test/a", False),
    ],
)
def test_servers_that_may_get_one_password(one: str, other: str, is_same: bool) -> None:
    assert (server_of(urlsplit(one)) == server_of(urlsplit(other))) is is_same


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (OK + b"Content-Length: 0\xe9\r\n\r\n<html>", "got a web page"),
        (redirect("http://127.0.0.1:F/b"), "redirects to what is no address"),
        (redirect("/caf\u00e9").replace(b"Content", b"X\xff: y\r\nContent"), "in a circle"),
    ],
)
def test_headers_with_bytes_that_are_no_ascii_or_a_port_that_is_no_number(
    answer: bytes, message: str
) -> None:
    with RawServer({"*": answer}) as server:
        assert message in str(true_cause(server.address(), BROKEN, timeout_s=5))
