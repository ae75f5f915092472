"""Real servers on this machine, and what tests ask them."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from websockets.sync.client import ClientConnection, connect

from tracker.config.run import Config, load_config
from tracker.serve.build import ServeRequest, build_context
from tracker.serve.context import Context
from tracker.serve.server import address_of, listening_socket, serve
from tracker.serve.settings import ServeSettings
from tracker.util.opencv import cv2

TOKEN = "a token of enough length"


def motion(*overrides: str) -> Config:
    """A configuration without networks."""
    words = ["detector.name=motion", "tracking.confirm_hits=2", *overrides]
    return load_config(overrides=words)


class RunningServer:
    """A server in a thread."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.stop = threading.Event()
        self.started = threading.Event()
        listening = listening_socket(context.settings)
        self.address = address_of(listening, context.settings).rstrip("/")
        arguments = (context, listening, self.stop, self.started.set)
        self._thread = threading.Thread(target=serve, args=arguments)
        self._thread.start()
        assert self.started.wait(20)
        self.client = httpx.Client(base_url=self.address, timeout=20)

    def end(self) -> float:
        """Ends the server; returns the seconds that took."""
        begin = time.monotonic()
        self.stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        self.client.close()
        return time.monotonic() - begin

    def json(self, path: str) -> Any:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def source(self, name: str) -> dict[str, Any]:
        listed = self.json("/api/sources")["sources"]
        return next(entry for entry in listed if entry["name"] == name)

    def wait_for(self, name: str, is_there: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Returns the entry of a source once it is as expected."""
        return until(lambda: self.source(name), is_there)

    def wait_for_state(self, name: str, *states: str) -> dict[str, Any]:
        return self.wait_for(name, lambda entry: entry["state"] in states)

    @contextlib.contextmanager
    def socket(self, name: str, **options: Any) -> Iterator[ClientConnection]:
        address = self.address.replace("http", "ws")
        with connect(f"{address}/ws?source={name}", **options) as connection:
            yield connection


def until(value: Callable[[], Any], is_there: Callable[[Any], bool], timeout_s: float = 30) -> Any:
    """Returns a value once it is as expected."""
    end = time.monotonic() + timeout_s
    while not is_there(found := value()):
        assert time.monotonic() < end, f"it stays {str(found)[:500]}"
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def running(
    folder: Path,
    *sources: object,
    config: Config | None = None,
    before: Callable[[Context], None] = lambda context: None,
    **settings: Any,
) -> Iterator[RunningServer]:
    """A server of sources, whose zones and uploads are kept in a folder."""
    chosen = {"zones": str(folder / "{name}.zones.yaml"), "port": 0, **settings}
    request = ServeRequest(tuple(map(str, sources)), config or motion(), ServeSettings(**chosen))
    context = build_context(request)
    before(context)
    server = RunningServer(context)
    try:
        yield server
    finally:
        server.end()


def frames(connection: ClientConnection, count: int) -> list[tuple[dict[str, Any], bytes | None]]:
    """The next frames of a WebSocket, acknowledged."""
    found: list[tuple[dict[str, Any], bytes | None]] = []
    while len(found) < count:
        message = json.loads(connection.recv(20))
        if message["kind"] != "frame":
            continue
        image = connection.recv(20) if message["image"] else None
        assert image is None or isinstance(image, bytes)
        found.append((message, image))
        connection.send(json.dumps({"ack": message["frame"]}))
    return found


def messages(connection: ClientConnection, kinds: Sequence[str]) -> list[dict[str, Any]]:
    """Messages up to the first of each kind, frames acknowledged."""
    found: list[dict[str, Any]] = []
    while not set(kinds) <= {message["kind"] for message in found}:
        content = connection.recv(20)
        if isinstance(content, bytes):
            continue
        message = json.loads(content)
        found.append(message)
        if message["kind"] == "frame":
            connection.send(json.dumps({"ack": message["frame"]}))
    return found


def decoded(jpeg: bytes) -> np.ndarray:
    """The image `(H, W, 3)` RGB of a JPEG."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
