"""A web server for one file that misbehaves as it is told."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Answer:
    """How one request is answered; without arguments as a good server does."""

    status: int = 200
    content: bytes | None = None  # in place of the server's
    etag: str | None = '"1"'
    cut_at: int | None = None  # bytes of the body after which the connection ends
    stalls: bool = False  # at the end of the body, until the server is closed
    length: int | None = None  # a lie in Content-Length
    has_length: bool = True
    chunked: bool = False
    ranges: bool = True
    shift: int = 0  # added to the start that Content-Range tells
    total: int | None = None  # a lie in Content-Range
    location: str | None = None
    more_headers: int = 0


@dataclass
class FileServer:
    """Serves a content on 127.0.0.1; the n-th request gets the n-th answer, later ones the last."""

    content: bytes
    answers: Sequence[Answer] = (Answer(),)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                number = len(server.requests)
                server.requests.append((self.path, dict(self.headers)))
                answer = server.answers[min(number, len(server.answers) - 1)]
                try:
                    _reply(self, server, answer)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client had enough

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._http.server_port}"

    @property
    def address(self) -> str:
        return f"http://{self.place}/folder/model.bin"

    def ranges(self) -> list[str | None]:
        """The header Range of each request."""
        return [headers.get("Range") for _, headers in self.requests]


def _reply(handler: BaseHTTPRequestHandler, server: FileServer, answer: Answer) -> None:
    content = server.content if answer.content is None else answer.content
    start = 0
    wanted = handler.headers.get("Range")
    condition = handler.headers.get("If-Range")
    if wanted and answer.ranges and condition in {None, answer.etag}:
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
    status = answer.status
    if start and status == 200:
        status = 206 if start < len(content) else 416
    handler.send_response(status)
    _send_given_headers(handler, answer)
    body = content[start:]
    if status == 206:
        total = len(content) if answer.total is None else answer.total
        first = start + answer.shift
        handler.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{total}")
    if status not in {200, 206}:
        body = b""
    if answer.chunked:
        handler.send_header("Transfer-Encoding", "chunked")
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    elif answer.has_length:
        length = len(body) if answer.length is None else answer.length
        handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.wfile.write(body[: answer.cut_at])
    handler.wfile.flush()
    if answer.stalls:
        server.closing.wait(20)


def _send_given_headers(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    if answer.etag is not None:
        handler.send_header("ETag", answer.etag)
    if answer.location is not None:
        handler.send_header("Location", answer.location)
    for number in range(answer.more_headers):
        handler.send_header(f"X-{number}", "more")
