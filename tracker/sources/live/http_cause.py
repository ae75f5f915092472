"""The cause of an HTTP failure, found by one request to the server.

FFmpeg reports an unresolvable name, circular redirects and an unreachable index alike, as an
input/output error. The answer to one more request tells them apart. Its time and memory are
limited; results never contain addresses or content.
"""

import base64
import socket
import ssl
import time
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from http import HTTPStatus
from urllib.parse import SplitResult, unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from tracker.sources.live.stream_errors import NO_HOST, SURE, UNREACHABLE, Failure

_MOST_HEADER_BYTES = 1 << 16
_MOST_BODY_BYTES = 1 << 16
_MOST_REDIRECTS = 8  # FFmpeg's own limit
_PORTS = {"http": 80, "https": 443}
_END = b"\r\n\r\n"
_REDIRECTS = {301, 302, 303, 307, 308}
_HINTS = {
    404: "check the path of the address",
    410: "check the path of the address",
    429: "wait, or ask less often",
    503: "try again later",
}

_NO_ANSWER = Failure(
    "its server closed the connection without an answer",
    "check the port; one for TLS needs https://",
)
_NO_HTTP = Failure("its server speaks no HTTP there", "check the port, and the scheme")
_NO_TLS = Failure("its server speaks no TLS there", "check the port, or write http://")
_ENDLESS = Failure(
    "the headers of its answer do not end",
    "the server is at fault; check the address with curl -I",
)
_CIRCLE = Failure(
    "its server redirects in a circle, or too often",
    "check the address in a browser; a log-in page may be in the way",
)
_EMPTY = Failure("its answer is empty (0 bytes)", "check the path, and the file on the server")
_PAGE = Failure(
    "expected a video, got a web page",
    "name the stream or the file itself, not the page about it; a log-in may be in the way",
)
INDEX_LAST = Failure(
    "its index (moov box) is at the end of the file, and this server cannot send a part of a file",
    "download it and run on the file, or write it with -movflags +faststart",
)
"""An MP4 on a server without range requests."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """A server's answer: its status, its headers, and the beginning of its body."""

    status: int
    headers: Message
    body: bytes


class _LookFailedError(Exception):
    """There is no answer; `failure` is the reason, `None` where unknown."""

    def __init__(self, failure: Failure | None) -> None:
        super().__init__()
        self.failure = failure


def true_cause(address: str, failure: Failure, *, timeout_s: float) -> Failure:
    """Returns why a stream or a file of the network cannot be read.

    Args:
        address: Its URL, with its credentials, which are sent only to its own host.
        failure: The reason by FFmpeg; returned where the request gives no better one.
        timeout_s: Timeout of the request in seconds.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return Failure("its host or port is malformed", "check the address: SCHEME://HOST:PORT/...")
    host, scheme = parts.hostname, parts.scheme.lower()
    if not host:
        return Failure("it names no host", "check the address: SCHEME://HOST/...")
    if failure is UNREACHABLE and scheme not in _PORTS:
        return failure if _resolves(host, port) else NO_HOST
    # A proxy would give its own answer, and a request around it may fail.
    is_direct = scheme not in getproxies() or proxy_bypass(host)
    if failure in SURE or scheme not in _PORTS or not is_direct:
        return failure
    try:
        return _cause_of_answer(parts, time.monotonic() + timeout_s) or failure
    except _LookFailedError as error:
        return error.failure or failure


def _resolves(host: str, port: int | None) -> bool:
    try:
        socket.getaddrinfo(host, port)
    except (OSError, UnicodeError):
        return False
    return True


def _cause_of_answer(parts: SplitResult, deadline: float) -> Failure | None:
    """Returns the failure in an answer, after its redirects; `None` where there is none."""
    seen: set[str] = set()
    while True:
        answer = _answer(parts, deadline)
        if answer.status not in _REDIRECTS:
            return _cause_of_content(answer)
        address, place = parts.geturl(), answer.headers.get("Location")
        if place is None:
            return Failure(
                f"its server answers {answer.status} and names no place", "check the address"
            )
        seen.add(address)
        try:
            target = urlsplit(urljoin(address, place))
            _ = target.port  # raises where it is no number
        except ValueError:
            return Failure("its server redirects to what is no address", "check the server")
        if target.scheme not in _PORTS or not target.hostname:
            return Failure(
                f"its server redirects to {target.scheme or 'nowhere'}://, and http and https "
                "alone are followed",
                "name the place that it redirects to",
            )
        if target.geturl() in seen or len(seen) > _MOST_REDIRECTS:
            return _CIRCLE
        if "@" not in target.netloc and server_of(target) == server_of(parts):
            target = target._replace(netloc=parts.netloc)  # The same server: the same user.
        parts = target


def server_of(parts: SplitResult) -> tuple[str, str | None, int]:
    """Returns what must be the same for a password to be sent: http is not the server of https."""
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


def _cause_of_content(answer: _Answer) -> Failure | None:
    if answer.status in {401, 407}:
        return None  # FFmpeg supports more ways to log in than this request.
    if answer.status >= 400:
        try:
            phrase = f" {HTTPStatus(answer.status).phrase}"
        except ValueError:
            phrase = ""
        hint = _HINTS.get(answer.status, "check the address, and the server")
        return Failure(f"its server answers {answer.status}{phrase}", hint)
    kind = answer.headers.get_content_type()
    head = answer.body[:512].lstrip().lower()
    if kind == "text/html" or head.startswith((b"<!doctype html", b"<html")):
        return _PAGE
    if answer.headers.get("Content-Length", "").strip() == "0":
        return _EMPTY
    if kind == "application/json" or (kind == "text/plain" and "Content-Type" in answer.headers):
        return Failure(f"expected a video, got {kind}", "check the path of the address")
    is_whole = answer.status == HTTPStatus.OK  # A server with range support answers 206.
    return INDEX_LAST if is_whole and _has_index_last(answer.body) else None


def _has_index_last(beginning: bytes) -> bool:
    """Returns whether an MP4 has its frames before its index (ISO/IEC 14496-12, sec. 4.2)."""
    at = 0
    while at + 8 <= len(beginning) and beginning[4:8] == b"ftyp":
        size, name = int.from_bytes(beginning[at : at + 4], "big"), beginning[at + 4 : at + 8]
        if name in {b"moov", b"mdat"}:
            return name == b"mdat"
        if size < 8:
            return False
        at += size
    return False


def _answer(parts: SplitResult, deadline: float) -> _Answer:
    """Returns a server's answer.

    Raises:
        _LookFailedError: There is none.
    """
    data = b""
    try:
        with _connected(parts, deadline) as connection:
            connection.sendall(_request(parts))
            while not _is_enough(data):
                block = _received(connection, deadline)
                if not block:
                    break
                data += block
    except TimeoutError:
        if not data:
            raise _LookFailedError(None) from None
    except OSError:
        pass  # The bytes before it may suffice.
    if not data:
        raise _LookFailedError(_NO_ANSWER)
    if not data.startswith(b"HTTP/"):
        raise _LookFailedError(_NO_HTTP)
    head, mark, body = data.partition(_END)
    if not mark:
        raise _LookFailedError(_ENDLESS)
    return _parsed(head, body)


def _is_enough(data: bytes) -> bool:
    """Returns whether the beginning of the body has arrived, or it is no HTTP answer."""
    end = data.find(_END)
    is_http = data.startswith(b"HTTP/"[: len(data)])
    return not is_http or len(data) > (_MOST_HEADER_BYTES if end < 0 else end + _MOST_BODY_BYTES)


def _parsed(head: bytes, body: bytes) -> _Answer:
    line, _, fields = head.partition(b"\r\n")
    words = line.split()
    if len(words) < 2 or not words[1].isdigit():
        raise _LookFailedError(_NO_HTTP)
    # As text: of bytes that are not ASCII the parser would give objects in place of strings.
    headers = HeaderParser().parsestr(fields.decode("latin-1"))
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        body = body.partition(b"\r\n")[2]
    return _Answer(int(words[1]), headers, body)


def _connected(parts: SplitResult, deadline: float) -> socket.socket:
    host, scheme = parts.hostname or "", parts.scheme.lower()
    try:
        connection = socket.create_connection(
            (host, parts.port or _PORTS[scheme]), timeout=max(deadline - time.monotonic(), 0.1)
        )
    except (socket.gaierror, UnicodeError):
        raise _LookFailedError(NO_HOST) from None
    except OSError:
        raise _LookFailedError(None) from None
    if scheme == "http":
        return connection
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # as FFmpeg does
    try:
        return context.wrap_socket(connection, server_hostname=host)
    except (OSError, ValueError):
        connection.close()
        raise _LookFailedError(_NO_TLS) from None


def _request(parts: SplitResult) -> bytes:
    place = parts.netloc.rpartition("@")[2]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {place}",
        "User-Agent: Lavf",
        "Range: bytes=0-",
        "Connection: close",
    ]
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        lines.append(f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


def _received(connection: socket.socket, deadline: float) -> bytes:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)
    return connection.recv(1 << 14)
