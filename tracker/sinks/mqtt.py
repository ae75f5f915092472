"""Events to an MQTT broker, one message each (extra `mqtt`)."""

import json
import ssl
import threading
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from tracker.errors import ConfigError, DependencyError
from tracker.sinks.event_queue import Record, SendError
from tracker.sources.live.address import with_environment
from tracker.util.address import scheme_of, shown_address

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_TIMEOUT_S = 5.0


class MqttSender:
    """Publishes each record as JSON, at least once (QoS 1).

    Args:
        address: `broker/topic`, `broker:1884/a/topic` or
            `mqtt://${USER}:${PASSWORD}@broker/topic`; `mqtts://` for TLS. `${NAME}` is a variable
            of the environment.
        environment: Variables and their values; `None` for those of this process.

    Raises:
        ConfigError: It is no such address, or a variable is not set.
        DependencyError: The library paho-mqtt is not installed.
    """

    def __init__(self, address: str, environment: Mapping[str, str] | None = None) -> None:
        url = address if scheme_of(address) is not None else f"mqtt://{address}"
        self._shown = shown_address(url)
        parts = urlsplit(with_environment(url, environment))
        self._topic = unquote(parts.path).strip("/")
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in _PORTS or not parts.hostname or not self._topic or port == -1:
            raise ConfigError(
                f"--mqtt {self._shown}: expected BROKER/TOPIC, such as localhost/tracker/events or "
                "mqtt://${USER}:${PASSWORD}@broker:1883/tracker/events"
            )
        if set("+\0") & set(self._topic) or "#" in url:
            raise ConfigError(f"--mqtt {self._shown}: expected a topic without + and #")
        self._host, self._port = parts.hostname, port or _PORTS[parts.scheme]
        self._user = None if parts.username is None else unquote(parts.username)
        self._password = None if parts.password is None else unquote(parts.password)
        self._is_secure = parts.scheme == "mqtts"
        self._library = _library()
        self._client: Any = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"MQTT {self._shown}"

    def send(self, batch: Sequence[Record]) -> None:
        """Publishes the records of a batch, each once the broker has taken the one before.

        Raises:
            SendError: The broker cannot be reached or refuses them.
        """
        sent = 0
        try:
            client = self._connected()
            for record in batch:
                body = json.dumps(record, separators=(",", ":")).encode()
                message = client.publish(self._topic, body, qos=1)
                message.wait_for_publish(_TIMEOUT_S)
                if not message.is_published():
                    raise SendError(f"no answer of the broker for {_TIMEOUT_S:g} s")
                sent += 1
        except SendError as error:
            self.close()
            raise SendError(str(error), may_retry=error.may_retry, sent=sent) from None
        except (OSError, ValueError, RuntimeError) as error:
            self.close()
            raise SendError(str(error) or type(error).__name__, sent=sent) from None

    def close(self) -> None:
        """Ends the connection; the next batch makes a new one."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _connected(self) -> Any:
        if self._client is not None and self._client.is_connected():
            return self._client
        self.close()
        client = self._library.Client(self._library.CallbackAPIVersion.VERSION2)
        if self._user is not None:
            client.username_pw_set(self._user, self._password)
        if self._is_secure:
            client.tls_set_context(ssl.create_default_context())
        answers = _Answers()
        client.on_connect = answers.on_connect
        client.connect_timeout = _TIMEOUT_S
        client.connect(self._host, self._port, keepalive=60)
        self._client = client
        client.loop_start()
        answers.check(_TIMEOUT_S)
        return client


class _Answers:
    """The broker's answer to a connection, which paho gives to a callback in its own thread."""

    def __init__(self) -> None:
        self._came = threading.Event()
        self._reason: Any = None

    def on_connect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._reason = reason
        self._came.set()

    def check(self, timeout_s: float) -> None:
        """Waits for the answer.

        Raises:
            SendError: There is none, or it is a refusal.
        """
        if not self._came.wait(timeout_s):
            raise SendError(f"no answer of the broker for {timeout_s:g} s")
        if self._reason.is_failure:
            raise SendError(f"the broker refuses the connection: {self._reason}")


def _library() -> Any:
    try:
        from paho.mqtt import client
    except ImportError as error:
        raise DependencyError(
            f"--mqtt needs the package paho-mqtt: {error}; pip install 'tracker-pipeline[mqtt]'"
        ) from error
    return client
