"""Events to a web server: POST requests with JSON, signed where there is a secret."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tracker.errors import ConfigError
from tracker.sinks.event_queue import Record, SendError
from tracker.sources.live.address import with_environment
from tracker.util.address import ascii_address, scheme_of, shown_address
from tracker.version import __version__

SECRET = "TRACKER_WEBHOOK_SECRET"
"""Variable of the environment with the secret that signs requests."""

_TIMEOUT_S = 5.0
_RETRY = {408, 425, 429, 500, 502, 503, 504}
"""HTTP statuses after which another attempt may succeed."""


class _NoRedirect(HTTPRedirectHandler):
    """Redirections are errors: a POST would be repeated elsewhere, or become a GET."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: object, newurl: str
    ) -> None:
        return None


class WebhookSender:
    """Posts batches as `{"events": [...]}`.

    Headers: `X-Tracker-Delivery` is the same for every attempt of a batch. With a secret,
    `X-Tracker-Signature` is `t=UNIX,sha256=HEX`, the HMAC-SHA256 of `UNIX.BODY`.

    Args:
        url: An http or https address; `${NAME}` in it is a variable of the environment, and a
            user and password are sent as basic authentication.
        environment: Variables and their values; `None` for those of this process.

    Raises:
        ConfigError: It is no such address, or a variable is not set.
    """

    def __init__(self, url: str, environment: Mapping[str, str] | None = None) -> None:
        known = os.environ if environment is None else environment
        if scheme_of(url) not in {"http", "https"}:
            raise ConfigError(
                f"--webhook {shown_address(url)}: expected an address such as "
                "https://example.com/hook"
            )
        parts = urlsplit(with_environment(url, known))
        if not parts.hostname:
            raise ConfigError(f"--webhook {shown_address(url)}: expected a host in the address")
        self._shown = shown_address(url)
        self._secret = known.get(SECRET, "").encode()
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": f"tracker-pipeline/{__version__}",
        }
        if parts.username is not None:
            words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            basic = base64.b64encode(words.encode()).decode()
            self._headers["Authorization"] = f"Basic {basic}"
        try:
            self._url = ascii_address(urlunsplit(parts._replace(path=parts.path or "/")))
        except ValueError:
            raise ConfigError(
                f"--webhook {shown_address(url)}: no host can have this name"
            ) from None
        self._opener = build_opener(_NoRedirect)

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"webhook {self._shown}"

    def send(self, batch: Sequence[Record]) -> None:
        """Posts one batch.

        Raises:
            SendError: There was no answer, or one that is not of the statuses 200 to 299.
        """
        body = json.dumps({"events": list(batch)}, separators=(",", ":")).encode()
        headers = {**self._headers, "X-Tracker-Delivery": hashlib.sha256(body).hexdigest()[:32]}
        if self._secret:
            headers["X-Tracker-Signature"] = signature(self._secret, body, int(time.time()))
        try:
            request = Request(self._url, data=body, headers=headers, method="POST")
            with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                answer.read(1 << 16)
        except HTTPError as error:
            error.close()
            raise SendError(f"HTTP {error.code}", may_retry=error.code in _RETRY) from None
        except URLError as error:
            raise SendError(str(error.reason)) from None
        except (OSError, http.client.HTTPException) as error:
            raise SendError(str(error) or type(error).__name__) from None

    def close(self) -> None:
        """Does nothing: each batch has a connection of its own."""


def signature(secret: bytes, body: bytes, time_s: int) -> str:
    """Returns the value of `X-Tracker-Signature`.

    Args:
        secret: The secret.
        body: The body of the request.
        time_s: Unix time in seconds, which receivers compare with theirs against replays.

    Example:
        >>> signature(b"key", b"{}", 1)[:24]
        't=1,sha256=1ba6b8171186e'
    """
    digest = hmac.new(secret, f"{time_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={time_s},sha256={digest}"
