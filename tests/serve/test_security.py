"""Hosts, origins, tokens, headers, limits: what a server that others can reach must refuse."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.serve.servers import TOKEN, RunningServer, frames, running
from tracker.errors import ConfigError
from tracker.serve.security import Access, Guard
from tracker.serve.settings import ServeSettings

OPEN_PATHS = ("/", "/static/app.js")
PATHS = (
    *("/api/sources", "/api/tracks", "/api/stats", "/api/events", "/api/zones", "/api/health"),
    *("/api/snapshot.jpg", "/api/openapi.json", "/metrics", "/stream/square.mjpg"),
    *("/api/tracks/square/1", "/api/crops/square/1.jpg", "/api/uploads/x/json", "/nothing"),
)


@pytest.fixture(scope="module")
def local(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("local"), clip) as server:
        yield server


@pytest.fixture(scope="module")
def guarded(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("guarded"), clip, token=TOKEN) as server:
        yield server


@pytest.mark.parametrize("path", [*OPEN_PATHS, *PATHS[:-1]])
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "a@localhost", "", "["])
def test_a_name_that_is_not_ours_is_refused(local: RunningServer, path: str, host: str) -> None:
    """A page of another site whose name was bound to this address (DNS rebinding)."""
    answer = local.client.get(path, headers={"host": host})
    assert answer.status_code in {400, 421}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1:8000", "[::1]:80"])
def test_names_of_this_computer_are_accepted(local: RunningServer, host: str) -> None:
    assert local.client.get("/api/health", headers={"host": host}).status_code == 200


def scope(host: str, **headers: str) -> dict[str, object]:
    pairs = {"host": host, **headers}
    return {
        "type": "http",
        "method": "GET",
        "path": "/api/sources",
        "headers": [(key.encode(), value.encode()) for key, value in pairs.items()],
    }


def test_an_address_of_the_network_is_known_where_the_server_listens_there() -> None:
    everywhere = Access(ServeSettings(host="0.0.0.0", token=TOKEN, allowed_hosts=("Cam.Example",)))
    bearer = {"authorization": f"Bearer {TOKEN}"}
    for host in ("192.168.1.7:8000", "cam.example", "localhost:8000"):
        assert everywhere.refusal(scope(host, **bearer)) is None, host
    refusal = everywhere.refusal(scope("other.example", **bearer))
    assert refusal is not None
    assert refusal[0] == 421
    local = Access(ServeSettings())
    refusal = local.refusal(scope("192.168.1.7:8000"))
    assert refusal is not None
    assert refusal[0] == 421


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:1", "file://", "chrome-extension://a"],
)
def test_pages_of_other_origins_change_nothing(local: RunningServer, origin: str) -> None:
    headers = {"origin": origin}
    requests = (
        ("POST", "/api/sources/square/pause"),
        ("PUT", "/api/zones"),
        ("POST", "/api/uploads"),
        ("DELETE", "/api/uploads/x"),
        ("POST", "/api/login"),
    )
    for method, path in requests:
        answer = local.client.request(method, path, headers=headers, content=b"{}")
        assert answer.status_code == 403, path
    with pytest.raises(InvalidStatus, match="403"), local.socket("square", origin=origin):
        pass


def test_pages_of_ours_may(local: RunningServer) -> None:
    headers = {"origin": local.address}
    assert local.client.put("/api/zones", headers=headers, json={}).status_code == 200
    with local.socket("square", origin=local.address) as viewer:
        assert frames(viewer, 1)


@pytest.mark.parametrize("path", [*OPEN_PATHS, *PATHS[:6], "/nothing"])
def test_every_answer_has_the_headers(local: RunningServer, path: str) -> None:
    with local.client.stream("GET", path) as answer:
        headers = answer.headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers


@pytest.mark.parametrize("path", PATHS)
def test_nothing_without_the_token(guarded: RunningServer, path: str) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": "tracker_session=wrong"}):
        answer = guarded.client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert set(answer.json()) == {"error"}


def test_the_page_itself_needs_no_token(guarded: RunningServer) -> None:
    for path in OPEN_PATHS:
        assert guarded.client.get(path).status_code == 200


def test_the_token_opens(guarded: RunningServer) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert guarded.client.get("/api/sources", headers=headers).status_code == 200
    with guarded.socket("square", additional_headers=headers) as viewer:
        assert frames(viewer, 1)
    with pytest.raises(InvalidStatus, match="403"), guarded.socket("square"):
        pass


def test_a_login_gives_a_cookie_that_is_not_the_token(guarded: RunningServer) -> None:
    assert guarded.client.post("/api/login", json={"token": "wrong"}).status_code == 401
    assert guarded.client.post("/api/login", json={"token": None}).status_code == 401
    answer = guarded.client.post("/api/login", json={"token": TOKEN})
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    value = cookie.split(";")[0]
    guarded.client.cookies.clear()
    answer = guarded.client.get("/api/health", headers={"cookie": value})
    assert answer.status_code == 200
    with guarded.socket("square", additional_headers={"cookie": value}) as viewer:
        assert frames(viewer, 1)


def test_bodies_are_limited(local: RunningServer) -> None:
    large = b'{"zones": "' + b"a" * (1 << 20) + b'"}'
    assert local.client.put("/api/zones", content=large).status_code == 413
    assert local.client.post("/api/login", content=large).status_code == 413
    for wrong in (
        b"",
        b"{",
        b"[]",
        b'"a"',
        b"\xff",
        b"[" * 100_000,
        b'{"a": ' + b"9" * 9999 + b"}",
    ):
        answer = local.client.put("/api/zones", content=wrong)
        assert answer.status_code == 400, wrong[:20]
        assert set(answer.json()) == {"error"}


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "example.com"])
def test_another_address_needs_a_token(host: str) -> None:
    with pytest.raises(ConfigError, match="so a token is needed: set TRACKER_TOKEN"):
        ServeSettings(host=host)


def test_a_short_token_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected at least 16 characters, got 5"):
        ServeSettings(token="short")


@pytest.mark.parametrize(("chunks", "read"), [(3, 3), (100, 7)])
def test_a_refused_request_is_read_first_but_not_without_end(chunks: int, read: int) -> None:
    """Else the connection is reset, and the client may lose the answer."""
    sent, received = [], []

    async def receive() -> dict[str, Any]:
        received.append(1)
        return {"body": bytes(10_000), "more_body": len(received) < chunks}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def unused(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("the request was not refused")

    guard = Guard(unused, Access(ServeSettings()))
    request = scope("localhost", origin="http://evil.example") | {"method": "POST"}
    asyncio.run(guard(request, receive, send))
    assert sent[0]["status"] == 403
    assert len(received) == read
