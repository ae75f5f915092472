"""The outputs of a run that take only events: `--events`, `--webhook` and `--mqtt`."""

from typing import TYPE_CHECKING, Protocol

from tracker.config.run import Config
from tracker.errors import ConfigError
from tracker.tracks import Sink
from tracker.util.address import shown_address

if TYPE_CHECKING:
    from tracker.sinks.event_queue import Sender


class EventOutputs(Protocol):
    """Where events go, as the user typed it; `None` for nowhere."""

    @property
    def events(self) -> str | None:
        """A file."""
        ...

    @property
    def webhook(self) -> str | None:
        """The address of a web server."""
        ...

    @property
    def mqtt(self) -> str | None:
        """Broker and topic."""
        ...


def check_event_outputs(outputs: EventOutputs, config: Config) -> None:
    """Checks that there is something to report.

    Raises:
        ConfigError: There are no zones, lines or calibration.
    """
    given = {"events": outputs.events, "webhook": outputs.webhook, "mqtt": outputs.mqtt}
    for name, value in given.items():
        if value is not None and config.analytics.is_empty:
            raise ConfigError(
                f"--{name} {shown_address(value)}: expected zones or lines, got none; give them "
                "with --zones zones.yaml"
            )


def push_sinks(webhook: str | None, mqtt: str | None) -> list[Sink]:
    """Returns the sinks that send events to other programs.

    Raises:
        ConfigError: An address is wrong.
        DependencyError: paho-mqtt is not installed, which `mqtt` needs.
    """
    if webhook is None and mqtt is None:
        return []
    from tracker.sinks.event_push import EventPushSink
    from tracker.sinks.mqtt import MqttSender
    from tracker.sinks.webhook import WebhookSender

    senders: list[Sender] = []
    if webhook is not None:
        senders.append(WebhookSender(webhook))
    if mqtt is not None:
        senders.append(MqttSender(mqtt))
    return [EventPushSink(sender) for sender in senders]
