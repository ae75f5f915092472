"""Reasons why a stream cannot be opened or read, with what to try.

FFmpeg's errors may hold the address with its password; a `Failure` never does.
"""

import errno
from dataclasses import dataclass

import av

from tracker.errors import SourceError
from tracker.util.address import scheme_of

_Kind = type[av.FFmpegError]
_RTSP = frozenset({"rtsp", "rtsps"})


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, and what to try; neither holds an address."""

    what: str
    hint: str

    def __str__(self) -> str:
        return f"{self.what}; {self.hint}"


class StreamLostError(Exception):
    """A stream could not be opened, or was lost; `failure` is the reason."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


ENDED = Failure("expected a stream, got its end before a frame", "check that it plays with ffplay")
"""A stream that ended before its first frame."""

UNREACHABLE = Failure(
    "its answer ended before a video began",
    "check the address (the stream itself, not a page about it) and the network",
)
"""An input/output error of a stream that was not open yet."""

NO_HOST = Failure("no such host", "check the name of the host, and the network")
"""FFmpeg reports a name that cannot be resolved as any input/output error."""

BROKEN = Failure("reading broke off", "check the network, and the program that sends")
"""An input/output error of a stream that was open."""

NO_RTSP = Failure(
    "expected an RTSP server, got another answer or the end of the connection",
    "check port and path, and how many viewers it allows",
)
"""FFmpeg reports both as invalid data, or as an operation that is not permitted."""

NO_TRANSPORT = Failure(
    "its server does not send by this transport (461)",
    "try --set source.live.rtsp_transport=udp, or tcp",
)
"""FFmpeg reports a protocol that is not supported."""

_BY_TYPE: tuple[tuple[_Kind | tuple[_Kind, ...], Failure], ...] = (
    (
        av.error.ConnectionRefusedError,
        Failure("connection refused", "check the port and that its server runs"),
    ),
    (
        av.error.HTTPUnauthorizedError,
        Failure(
            "user and password are missing or wrong (401)",
            "write them before the host: 'SCHEME://${USER}:${PASSWORD}@HOST/...' takes them from "
            "the environment; written out, @ is %40, : is %3A and / is %2F",
        ),
    ),
    (
        av.error.HTTPForbiddenError,
        Failure("access is forbidden (403)", "check what this user may see"),
    ),
    (
        av.error.HTTPNotFoundError,
        Failure("nothing is there (404)", "check the path of the address in the camera's manual"),
    ),
    (
        (av.error.HTTPBadRequestError, av.error.HTTPOtherClientError),
        Failure(
            "its server refuses the request (4xx)",
            "it may have too many viewers (453): close others, or restart the camera",
        ),
    ),
    (
        av.error.HTTPServerError,
        Failure("its server failed (5xx)", "try again later, or restart the camera"),
    ),
    (
        av.error.ProtocolNotFoundError,
        Failure(
            "this FFmpeg build has no such protocol",
            "pipe it from an ffmpeg that has: ffmpeg -i ADDRESS -c copy -f mpegts - | tracker "
            "run -",
        ),
    ),
    (
        av.error.DecoderNotFoundError,
        Failure("this FFmpeg build cannot decode its codec", "set the camera to H.264"),
    ),
    (
        av.error.InvalidDataError,
        Failure(
            "expected a video, got data that FFmpeg cannot read",
            "check that it is the stream itself, not a page about it",
        ),
    ),
    (
        av.error.EOFError,
        Failure("expected a video, got nothing", "check the path, and that it plays with ffplay"),
    ),
    (
        av.error.ConnectionResetError,
        Failure("its server broke the connection", "check its load, and how many may connect"),
    ),
)

_BY_NUMBER = {
    **dict.fromkeys(
        (errno.EIO, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL), UNREACHABLE
    ),
    errno.EPROTONOSUPPORT: NO_TRANSPORT,
}

_SURE_TYPES = (
    av.error.ConnectionRefusedError,
    av.error.HTTPUnauthorizedError,
    av.error.HTTPForbiddenError,
    av.error.HTTPNotFoundError,
    av.error.ProtocolNotFoundError,
    av.error.DecoderNotFoundError,
)
SURE = frozenset(failure for kind, failure in _BY_TYPE if kind in _SURE_TYPES)
"""Failures that FFmpeg reports for one cause alone."""


def too_late(seconds: float, key: str, what: str) -> Failure:
    """Returns the failure of a timeout.

    Args:
        seconds: The timeout.
        key: The setting of `source.live` for it.
        what: What is missing, such as "no frame".
    """
    return Failure(
        f"{what} within {seconds:g} s",
        f"check that it is there and sends, or allow more with --set source.live.{key}=SECONDS",
    )


def explain(error: Exception, source: str) -> Failure:
    """Returns what an error means, without the address that it may hold.

    Args:
        error: What PyAV, or this package, raised.
        source: The source as our own messages name it, which is left out.
    """
    if isinstance(error, SourceError):
        what, _, hint = str(error).removeprefix(f"{source}: ").partition("; ")
        return Failure(what, hint)
    number = getattr(error, "errno", None)
    is_no_answer = isinstance(error, av.error.InvalidDataError) or number == errno.EPERM
    if is_no_answer and scheme_of(source) in _RTSP:
        return NO_RTSP
    for kind, failure in _BY_TYPE:
        if isinstance(error, kind):
            return failure
    if number in _BY_NUMBER:
        return _BY_NUMBER[number]
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return Failure("it does not answer", "check that its host is up and the port is right")
    words = (getattr(error, "strerror", None) or type(error).__name__).lower()
    return Failure(f"FFmpeg says: {words}", "check that it plays with ffplay")
