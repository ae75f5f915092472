"""One file of a web server, from its beginning or from where an earlier connection ended.

Only http and https are supported. A user and password in an address are sent to its own host alone;
messages contain neither them nor the query.
"""

import base64
import io
import re
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from tracker.errors import DownloadError, TrackerError
from tracker.registry.entries import shown
from tracker.util.address import ascii_address
from tracker.version import __version__

_TRANSIENT = {408, 429, 500, 502, 503, 504}
"""HTTP statuses after which another attempt may succeed."""

_HEADERS_END_LATE = re.compile("got more than [0-9]+ (?:headers|bytes when reading)")
"""Messages of `http.client` for headers beyond its limits."""

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class CutError(TrackerError, OSError):
    """No connection, or one that was cut: another attempt may succeed.

    Attributes:
        is_part_useless: Whether the server cannot resume from the stored bytes.
    """

    def __init__(self, reason: str, *, is_part_useless: bool = False) -> None:
        super().__init__(reason)
        self.is_part_useless = is_part_useless


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a download is resumed.

    Attributes:
        offset: Bytes that are already stored.
        tag: Version of those bytes: the ETag of the server, else its Last-Modified, else
            `None`.
    """

    offset: int
    tag: str | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A server's answer.

    Attributes:
        response: The open connection; the caller closes it.
        offset: First byte of the answer within the file: the requested one, or 0.
        tag: As in `Resume`.
    """

    response: HTTPResponse
    offset: int
    tag: str | None


def open_address(address: str, resume: Resume, *, size: int, timeout_s: float) -> Opened:
    """Returns the rest of a file, or the whole file where the server cannot resume.

    Args:
        address: Of http or https.
        resume: Where to resume.
        size: Bytes of the whole file.
        timeout_s: Seconds to wait for a connection, and for each next byte.

    Raises:
        CutError: There is no connection, or the server is busy or its answer unusable.
        DownloadError: There is no such file, it has another size, or a redirect is refused.
    """
    response = _open(_request(address, resume), address, timeout_s)
    try:
        offset = _offset(response, resume, address, size)
        announced = response.length
        if announced is not None and announced != size - offset:
            raise DownloadError(
                f"{shown(address)}: expected {size} bytes, the server has {offset + announced}: "
                "another file"
            )
    except TrackerError:
        response.close()
        raise
    return Opened(response, offset, _tag(response.headers))


def _request(address: str, resume: Resume) -> Request:
    parts = urlsplit(address)
    try:
        request = Request(ascii_address(address))
    except ValueError:
        raise DownloadError(f"{shown(address)}: no host can have this name") from None
    request.add_header("User-Agent", f"tracker/{__version__}")
    # Any other encoding would have another length and other bytes.
    request.add_header("Accept-Encoding", "identity")
    if resume.offset:
        request.add_header("Range", f"bytes={resume.offset}-")
        # RFC 9110, 13.1.5: a weak tag must not be sent. _offset compares it instead.
        if resume.tag is not None and not resume.tag.startswith("W/"):
            request.add_header("If-Range", resume.tag)
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        secret = base64.b64encode(pair.encode()).decode()
        # Unredirected: the password is not sent to the target of a redirect.
        request.add_unredirected_header("Authorization", f"Basic {secret}")
    return request


def _open(request: Request, address: str, timeout_s: float) -> HTTPResponse:
    """Returns the server's answer, which has status 200 or 206.

    Raises:
        CutError: There is none, or a passing error.
        DownloadError: The server refuses, or leads elsewhere.
    """
    opener = OpenerDirector()
    for handler in (
        *(ProxyHandler(), HTTPHandler(), HTTPSHandler(), _Redirects()),
        *(HTTPErrorProcessor(), HTTPDefaultErrorHandler()),
    ):
        opener.add_handler(handler)
    # `from None`: the libraries' messages may show the address.
    try:
        response: HTTPResponse = opener.open(request, timeout=timeout_s)
    except HTTPError as error:
        error.close()
        if str(error.msg).startswith(HTTPRedirectHandler.inf_msg):
            raise DownloadError(
                f"{shown(address)}: the server redirects in a circle, or too often; check the "
                "address in a browser"
            ) from None
        raise _refusal(error.code, address) from None
    except TrackerError:
        raise
    except URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise DownloadError(
                f"{shown(address)}: the server's certificate does not prove that it is "
                f"{urlsplit(address).hostname}: {error.reason.verify_message}"
            ) from None
        raise CutError(f"no connection: {error.reason}") from None
    except TimeoutError:
        raise CutError(f"no answer in {timeout_s:g} s") from None
    except (OSError, HTTPException, OverflowError) as error:  # of a length beyond 63 bits
        if _HEADERS_END_LATE.search(str(error)):
            raise DownloadError(
                f"{shown(address)}: the headers of the server's answer do not end"
            ) from None
        raise CutError(f"no answer: {type(error).__name__}") from None
    return response


def _refusal(code: int, address: str) -> TrackerError:
    """Returns the error that a status means."""
    if code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return CutError("the server cannot go on with the file", is_part_useless=True)
    try:
        status = f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        status = str(code)
    if code in _TRANSIENT:
        return CutError(f"the server answers {status}")
    if 300 <= code < 400:
        status += ", which leads nowhere"
    return DownloadError(f"{shown(address)}: the server answers {status}")


def _offset(response: HTTPResponse, resume: Resume, address: str, size: int) -> int:
    """Returns the byte of the file that an answer begins with.

    Raises:
        CutError: It does not fit the request.
        DownloadError: The file has another size.
    """
    if response.status == HTTPStatus.OK:
        return 0  # Also where the server ignores ranges, or has another version.
    place = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    tag = _tag(response.headers)
    is_other = None not in {tag, resume.tag} and tag != resume.tag
    if response.status != HTTPStatus.PARTIAL_CONTENT or not resume.offset or place is None:
        raise CutError(
            f"the server answers {response.status} in no known way", is_part_useless=True
        )
    if int(place[1]) != resume.offset or is_other:
        raise CutError("the server continues with another file", is_part_useless=True)
    if place[2] not in {"*", str(size)}:
        raise DownloadError(
            f"{shown(address)}: expected {size} bytes, the server has {place[2]}: another file"
        )
    return resume.offset


def _tag(headers: HTTPMessage) -> str | None:
    tag = headers.get("ETag") or headers.get("Last-Modified")
    return tag if tag and tag.isascii() else None  # What is not ASCII could not be sent back.


class _Redirects(HTTPRedirectHandler):
    """Follows redirects within http and https, never from https to http."""

    def http_error_302(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> Any:
        """Returns the answer of the target of the redirect, or `None` if it has none."""
        place = headers.get("Location", "")
        reason = redirect_problem(req.full_url, place)
        if reason is not None:
            fp.close()
            raise DownloadError(f"{shown(req.full_url)}: leads to {shown(place)}: {reason}")
        fp.close()  # The library would read the whole body, however long.
        return super().http_error_302(req, io.BytesIO(), code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def redirect_problem(address: str, place: str) -> str | None:
    """Returns why a redirect is not followed, or `None` where it is.

    Args:
        address: The requested address.
        place: The target of the redirect, perhaps relative to the address.

    Example:
        >>> redirect_problem("https://example.org/a", "ftp://example.org/a")
        'only http and https are followed'
    """
    old = urlsplit(address)
    try:
        new = urlsplit(urljoin(address, place))
        (new.hostname or "").encode("idna")  # As for the lookup: labels of 1 to 63 characters.
    except ValueError:
        return "that is no address"
    if not new.netloc.isascii():  # RFC 3986: such a name comes encoded.
        return "that is no address"
    if new.scheme not in {"http", "https"}:
        return "only http and https are followed"
    if (old.scheme, new.scheme) == ("https", "http"):
        return "https is not left for http"
    if "@" in new.netloc:
        return "an address with a user is not followed"
    return None
