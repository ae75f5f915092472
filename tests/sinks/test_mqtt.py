"""MQTT against a real broker (Mosquitto); without it or paho-mqtt the tests are skipped."""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tracker.errors import ConfigError
from tracker.sinks.event_queue import EventQueue, QueueLimits, SendError
from tracker.sinks.mqtt import MqttSender

paho = pytest.importorskip("paho.mqtt.client", reason="paho-mqtt (extra mqtt) is not installed")
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
needs_broker = pytest.mark.skipif(
    MOSQUITTO is None, reason="mosquitto is not installed (apt-get install mosquitto)"
)
QUICK = QueueLimits(gather_s=0.01, first_pause_s=0.1, longest_pause_s=0.2, drain_s=10.0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Broker:
    """Mosquitto on a port of this machine; it may be stopped and started again."""

    config: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self.config)], stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("mosquitto did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    passwords = tmp_path / "passwords"
    tool = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
    subprocess.run([tool, "-b", "-c", str(passwords), "me", "s3cret"], check=True)
    passwords.chmod(0o644)
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npassword_file {passwords}\nuser root\n"
    )
    made = Broker(config, port)
    yield made
    made.stop()


class Listener:
    """A subscriber that keeps what it gets."""

    def __init__(self, port: int, topic: str) -> None:
        self.messages: list[dict] = []
        self._more = threading.Condition()
        self._ready = threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, 1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._add
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(20)

    def _add(self, client: object, data: object, message: object) -> None:
        with self._more:
            self.messages.append(json.loads(message.payload))
            self._more.notify_all()

    def wait_for(self, count: int) -> list[dict]:
        with self._more:
            self._more.wait_for(lambda: len(self.messages) >= count, 20)
        return self.messages

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@needs_broker
def test_each_event_is_a_message(broker: Broker) -> None:
    broker.start()
    listener = Listener(broker.port, "yard/events")
    queue = EventQueue(MqttSender(f"127.0.0.1:{broker.port}/yard/events", {}), QUICK)
    queue.put([{"n": n} for n in range(5)])
    queue.close()
    assert listener.wait_for(5) == [{"n": n} for n in range(5)]
    assert queue.status.endswith("5 sent")
    listener.close()


@needs_broker
def test_events_wait_until_the_broker_is_there(broker: Broker) -> None:
    queue = EventQueue(MqttSender(f"127.0.0.1:{broker.port}/t", {}), QUICK)
    queue.put([{"n": 1}])
    time.sleep(0.2)
    broker.start()
    queue.close()
    assert queue.status.endswith("1 sent")


@needs_broker
def test_user_and_password(broker: Broker) -> None:
    broker.start()
    address = f"mqtt://${{U}}:${{P}}@127.0.0.1:{broker.port}/t"
    right = MqttSender(address, {"U": "me", "P": "s3cret"})
    right.send([{"n": 1}])
    right.close()
    assert "s3cret" not in right.name
    wrong = MqttSender(address, {"U": "me", "P": "wrong"})
    with pytest.raises(SendError, match="refuses the connection"):
        wrong.send([{"n": 1}])


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("broker", "expected BROKER/TOPIC"),
        ("broker:port/topic", "expected BROKER/TOPIC"),
        ("http://broker/topic", "expected BROKER/TOPIC"),
        ("broker/a/#", r"expected a topic without \+ and #"),
        ("broker/a/+", r"expected a topic without \+ and #"),
        ("mqtt://${NO_SUCH}@broker/t", "no variable NO_SUCH"),
    ],
)
def test_addresses_that_are_none(address: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MqttSender(address, {})
