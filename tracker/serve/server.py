"""Running the application with uvicorn: address, end, browser."""

import errno
import socket
import threading
import webbrowser
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn

from tracker.errors import ConfigError
from tracker.serve.app import application
from tracker.serve.context import Context
from tracker.serve.settings import ServeSettings

_GRACE_S = 1
_BACKLOG = 128


class Server(uvicorn.Server):
    """A server that ends with an event, not by signals of its own.

    Args:
        context: The state of the server.
        stop: Ends it.
        started: Called once it answers.
    """

    def __init__(
        self, context: Context, stop: threading.Event, started: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                application(context),
                access_log=False,
                log_config=None,
                log_level="error",
                lifespan="on",
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_GRACE_S,
                ws_max_size=65536,
                ws_max_queue=8,
                ws_per_message_deflate=False,  # JPEG gains nothing, and ten viewers cost ten times
                limit_concurrency=256,
            )
        )
        self._context, self._stop, self._tell_started = context, stop, started

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves the handlers of signals to the caller; they set `stop`."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to answer."""
        await super().startup(sockets)
        self._tell_started()

    async def on_tick(self, counter: int) -> bool:
        """Returns whether to end; called ten times a second."""
        return await super().on_tick(counter) or self._stop.is_set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the streams to clients, then the server."""
        self._context.stop()
        await super().shutdown(sockets)


def listening_socket(settings: ServeSettings) -> socket.socket:
    """Returns a socket that listens at the address of the settings.

    Raises:
        ConfigError: The port is in use, or the address is not one of this computer.
    """
    host, port = settings.host, settings.port
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        why = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror
        hint = "choose another with --port, or --port 0 for any free one"
        raise ConfigError(f"cannot listen at {host} port {port}: {why}; {hint}") from error


def address_of(listening: socket.socket, settings: ServeSettings) -> str:
    """Returns the address of the page."""
    port = listening.getsockname()[1]
    host = settings.host
    if host in {"0.0.0.0", "::"}:
        host = socket.gethostname()
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/"


def serve(
    context: Context,
    listening: socket.socket,
    stop: threading.Event,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Answers requests until an event is set; takes at most about two seconds to end.

    Args:
        context: The state of the server.
        listening: Where it listens.
        stop: Ends it.
        started: Called once it answers.
    """
    server = Server(context, stop, started)
    try:
        server.run(sockets=[listening])
    finally:
        listening.close()
        context.close()


def open_browser(address: str) -> None:
    """Opens the page, without waiting for the browser."""
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
