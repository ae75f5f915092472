"""Endless answers: WebSocket, server-sent events and MJPEG; each client gets what it can take."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from tracker.serve.context import Context, context_of, named_site, queried_site
from tracker.serve.pictures import Kind
from tracker.serve.site import Site
from tracker.serve.worker import State
from tracker.util.json_text import parse_json

MOST_IN_FLIGHT = 2
"""Frames that a client may have received without acknowledging them."""

_STATE_S = 1.0
_REPEAT_S = 1.0
"""After so long the last image is sent again: browsers show an image when the next one begins."""

_ALIVE_S = 10.0
_BOUNDARY = "frame"
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class _Viewer:
    """One WebSocket client: the newest frame replaces those that it was too slow for."""

    def __init__(
        self, socket: WebSocket, context: Context, site: Site, changed: asyncio.Event
    ) -> None:
        self._socket, self._context, self._site = socket, context, site
        self._changed = changed
        self._in_flight: deque[int] = deque()
        self._number = 0
        self._event = site.worker.hub.events.last
        self._seen: tuple[State, str | None, tuple[str, ...]] | None = None
        self._state_sent_s = 0.0

    async def receive(self) -> None:
        """Takes acknowledgements until the client leaves."""
        with suppress(WebSocketDisconnect, ValueError, KeyError):
            while True:
                message = parse_json((await self._socket.receive_text()).encode())
                number = message.get("ack") if isinstance(message, dict) else None
                if number in self._in_flight:
                    while self._in_flight and self._in_flight.popleft() != number:
                        pass
                    self._changed.set()

    async def send(self) -> None:
        """Sends state, events and frames until the source or the server ends."""
        with suppress(WebSocketDisconnect, RuntimeError):
            while not (self._context.stopping.is_set() or self._site.worker.is_closed):
                self._changed.clear()
                await self._send_state()
                await self._send_events()
                await self._send_frame()
                await self._changed.wait()
            await self._socket.close(1001)

    async def _send_state(self) -> None:
        worker, now_s = self._site.worker, asyncio.get_running_loop().time()
        seen = worker.state, worker.message, tuple(self._site.downloads())
        if seen == self._seen and now_s - self._state_sent_s < _STATE_S:
            return
        self._seen, self._state_sent_s = seen, now_s
        await self._socket.send_json({"kind": "state", "entry": self._site.to_json()})

    async def _send_events(self) -> None:
        for number, event in self._site.worker.hub.events.after(self._event):
            await self._socket.send_text(json.dumps(event, ensure_ascii=False))
            self._event = number

    async def _send_frame(self) -> None:
        picture = self._site.worker.hub.pictures.newest(Kind.CLEAN)
        is_new = picture is not None and picture.number != self._number
        if picture is None or not is_new or len(self._in_flight) >= MOST_IN_FLIGHT:
            return
        self._number = picture.number
        self._in_flight.append(picture.frame)
        await self._socket.send_text(picture.text)
        if picture.jpeg is not None:
            await self._socket.send_bytes(picture.jpeg)


async def live(socket: WebSocket) -> None:
    """WS /ws: frames, state and events of a source."""
    site = queried_site(socket)
    await socket.accept()
    pictures = site.worker.hub.pictures
    with pictures.clients.joined() as changed, pictures.viewer(Kind.CLEAN):
        viewer = _Viewer(socket, context_of(socket), site, changed)
        tasks = [asyncio.ensure_future(viewer.receive()), asyncio.ensure_future(viewer.send())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def events(request: Request) -> Response:
    """GET /api/events: server-sent events."""
    site = queried_site(request)
    last = request.headers.get("last-event-id", "")
    number = int(last) if last.isdecimal() and len(last) < 16 else site.worker.hub.events.last
    content = _event_stream(context_of(request), site, number)
    return StreamingResponse(content, media_type="text/event-stream", headers=_HEADERS)


async def _event_stream(context: Context, site: Site, number: int) -> AsyncIterator[str]:
    ring = site.worker.hub.events
    with site.worker.hub.pictures.clients.joined() as changed:
        yield ": events\n\n"
        alive_s = 0.0
        while not (context.stopping.is_set() or site.worker.is_closed):
            changed.clear()
            for number, event in ring.after(number):  # noqa: B020, PLR1704 - it goes on from there
                data = json.dumps(event, ensure_ascii=False)
                yield f"id: {number}\nevent: {event['event']}\ndata: {data}\n\n"
            await _next_change(changed)
            alive_s += 1
            if alive_s >= _ALIVE_S:  # A client that has gone is noticed when something is sent.
                alive_s = 0
                yield ": alive\n\n"


async def mjpeg(request: Request) -> Response:
    """GET /stream/{name}.mjpg: annotated images."""
    site = named_site(request, request.path_params["name"])
    media_type = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
    content = _image_stream(context_of(request), site)
    return StreamingResponse(content, media_type=media_type, headers=_HEADERS)


async def _image_stream(context: Context, site: Site) -> AsyncIterator[bytes]:
    pictures = site.worker.hub.pictures
    loop = asyncio.get_running_loop()
    number, sent_s = 0, loop.time()
    with pictures.clients.joined() as changed, pictures.viewer(Kind.ANNOTATED):
        while not (context.stopping.is_set() or site.worker.is_closed):
            changed.clear()
            picture = pictures.newest(Kind.ANNOTATED)
            if picture is not None and picture.jpeg is not None:
                is_old = loop.time() - sent_s >= _REPEAT_S
                if picture.number != number or is_old:
                    number, sent_s = picture.number, loop.time()
                    yield _part(picture.jpeg)
            await _next_change(changed)


def _part(jpeg: bytes) -> bytes:
    head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    return head.encode() + jpeg + b"\r\n"


async def _next_change(changed: asyncio.Event) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(changed.wait(), _REPEAT_S)
