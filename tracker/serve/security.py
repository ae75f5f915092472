"""Who may use the server: checks of host, origin and token, and headers of every answer."""

import asyncio
import hmac
import json
import secrets
import socket
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracker.serve.settings import ServeSettings, ip_address, is_loopback

COOKIE = "tracker_session"

_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
        b"form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)
_CHANGING = ("POST", "PUT", "DELETE", "PATCH")
_MOST_DRAINED = 65536
"""Bytes of the body of a refused request that are read."""
_DRAIN_S = 1.0
"""Seconds to wait for them."""

Refusal = tuple[int, str]


class Access:
    """Decides whether a request is allowed.

    Args:
        settings: Address, token and allowed names.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self._token = settings.token
        self._is_local = is_loopback(settings.host)
        self._names = {"localhost", *map(str.lower, settings.allowed_hosts)}
        if not self._is_local:
            self._names |= {settings.host.lower(), socket.gethostname().lower()}
        self.session = secrets.token_urlsafe(32)
        """Value of the cookie of clients that have presented the token."""

    def is_token(self, text: str) -> bool:
        """Returns whether a text is the token, in constant time; without a token all are."""
        if self._token is None:
            return True
        return hmac.compare_digest(text.encode(), self._token.encode())

    def refusal(self, scope: Scope) -> Refusal | None:
        """Returns status and reason where a request is not allowed, else `None`."""
        headers = _single_headers(scope)
        host = headers.get("host", "")
        if not self._is_known(host):
            return 421, "unknown host; start the server with --allow-host NAME to allow it"
        is_changing = scope["type"] == "websocket" or scope["method"] in _CHANGING
        if is_changing and not _is_same_origin(headers.get("origin"), host):
            return 403, "a page of another origin may not do this"
        if _is_public(scope) or self._is_authorised(headers):
            return None
        return 401, "expected a token: Authorization: Bearer TOKEN, or a login"

    def _is_known(self, host: str) -> bool:
        """Returns whether a page that names this host may be ours: no rebound name of another."""
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        if not name or "@" in host:
            return False
        address = ip_address(name)
        if address is not None:  # A name that is rebound is never an address.
            return address.is_loopback or not self._is_local or name in self._names
        return name in self._names

    def _is_authorised(self, headers: dict[str, str]) -> bool:
        if self._token is None:
            return True
        scheme, _, value = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(value.strip()):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(
            cookie.value.encode(), self.session.encode()
        )


class Guard:
    """Middleware that refuses what `Access` does not allow, and adds the headers.

    Args:
        app: The application.
        access: Decides.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._access.refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _drain(receive)
            await _refuse(_with_headers(send), *refusal)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
        await send(message)

    return sending


async def _drain(receive: Receive) -> None:
    """Reads a short body that nobody wants.

    A connection that is closed with unread bytes is reset, and the client may lose the answer.
    """
    left = _MOST_DRAINED
    try:
        async with asyncio.timeout(_DRAIN_S):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


async def _refuse(send: Send, status: int, reason: str) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"error": reason}).encode()})


def _single_headers(scope: Scope) -> dict[str, str]:
    """Returns the headers by name; those that occur twice are joined, which no check accepts."""
    headers: dict[str, str] = {}
    for key, value in scope["headers"]:
        name, text = key.decode("latin-1").lower(), value.decode("latin-1")
        separator = "; " if name == "cookie" else ", "
        headers[name] = f"{headers[name]}{separator}{text}" if name in headers else text
    return headers


def _is_same_origin(origin: str | None, host: str) -> bool:
    """Returns whether a request comes from a page of this server, or from no page."""
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()


def _is_public(scope: Scope) -> bool:
    if scope["type"] != "http":
        return False
    path, method = scope["path"], scope["method"]
    if method == "POST":
        return bool(path == "/api/login")
    return method in {"GET", "HEAD"} and (path == "/" or path.startswith("/static/"))
