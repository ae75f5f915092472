"""Webhooks against a real server on this machine."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tracker.errors import ConfigError
from tracker.sinks.event_queue import EventQueue, QueueLimits, SendError
from tracker.sinks.webhook import SECRET, WebhookSender


@dataclass
class Receiver:
    """A server that answers with the statuses given, then with 200."""

    statuses: list[int] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    def events(self) -> list[dict]:
        return [event for _, body in self.requests for event in json.loads(body)["events"]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.requests.append((dict(self.headers), body))
            self.send_response(state.statuses.pop(0) if state.statuses else 200)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/hook?token=abc"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_batch_is_posted_as_json(receiver: Receiver) -> None:
    sender = WebhookSender(receiver.url, {})
    sender.send([{"n": 1}, {"n": "ü"}])
    headers, body = receiver.requests[0]
    assert json.loads(body) == {"events": [{"n": 1}, {"n": "ü"}]}
    assert headers["Content-Type"] == "application/json"
    assert "X-Tracker-Signature" not in headers
    assert "abc" not in sender.name


def test_the_signature_is_that_of_the_secret(receiver: Receiver) -> None:
    WebhookSender(receiver.url, {SECRET: "s3cret"}).send([{"n": 1}])
    headers, body = receiver.requests[0]
    time_s, digest = (word.split("=")[1] for word in headers["X-Tracker-Signature"].split(","))
    signed = f"{time_s}.".encode() + body
    assert digest == hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()


def test_user_and_password_come_from_the_environment(receiver: Receiver) -> None:
    url = receiver.url.replace("http://", "http://${U}:${P}@")
    WebhookSender(url, {"U": "me", "P": "a@b"}).send([])
    assert receiver.requests[0][0]["Authorization"] == "Basic bWU6YUBi"  # me:a@b


def test_a_busy_server_gets_the_same_delivery_again(receiver: Receiver) -> None:
    receiver.statuses = [503, 429]
    limits = QueueLimits(gather_s=0.01, first_pause_s=0.01, drain_s=5.0)
    queue = EventQueue(WebhookSender(receiver.url, {}), limits)
    queue.put([{"n": 1}])
    queue.close()
    assert queue.status.endswith("1 sent")
    assert len(receiver.requests) == 3
    assert len({headers["X-Tracker-Delivery"] for headers, _ in receiver.requests}) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 302, 307])
def test_a_refusal_or_redirection_is_final(receiver: Receiver, status: int) -> None:
    receiver.statuses = [status]
    with pytest.raises(SendError, match=f"HTTP {status}") as caught:
        WebhookSender(receiver.url, {}).send([{"n": 1}])
    assert not caught.value.may_retry
    assert len(receiver.requests) == 1


def test_a_dead_server_may_be_tried_again() -> None:
    with pytest.raises(SendError, match="refused") as caught:
        WebhookSender("http://127.0.0.1:9/", {}).send([{"n": 1}])
    assert caught.value.may_retry


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("example.com/hook", "expected an address such as https://example.com/hook"),
        ("ftp://example.com/", "expected an address such as"),
        ("https:///hook", "expected a host"),
        ("https://${NO_SUCH}@example.com/", "no variable NO_SUCH"),
        ("https://\ufffd/hook", "no host can have this name"),
    ],
)
def test_addresses_that_are_none(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WebhookSender(url, {})
