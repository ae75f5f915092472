"""The application: routes, errors and what runs beside them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from tracker.serve import endpoints, streams, upload_endpoints
from tracker.serve.context import Context, json_answer
from tracker.serve.metrics import metrics, registry_of
from tracker.serve.security import Guard
from tracker.serve.static_files import page, static_files

_log = logging.getLogger(__name__)

_EXPIRE_S = 60


def application(context: Context) -> Starlette:
    """Returns the application of a server; its lifespan ends sources and uploads.

    Args:
        context: The state of the server; its sources are started already.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        ticking = asyncio.create_task(_tick(context))
        try:
            yield
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
            await run_in_threadpool(context.close)

    app = Starlette(
        routes=_routes(),
        middleware=[Middleware(Guard, access=context.access)],
        exception_handlers={HTTPException: _http_error, Exception: _internal_error},
        lifespan=lifespan,
    )
    app.state.context = context
    app.state.static = static_files()
    app.state.registry = registry_of(context)
    return app


def _routes() -> list[Route | WebSocketRoute]:
    return [
        Route("/", page),
        Route("/static/{file}", page),
        Route("/api/sources", endpoints.sources),
        Route("/api/sources/{name}/{action}", endpoints.change_state, methods=["POST"]),
        Route("/api/tracks", endpoints.tracks),
        Route("/api/tracks/{name}/{id:int}", endpoints.track),
        Route("/api/crops/{name}/{id:int}.jpg", endpoints.crop),
        Route("/api/stats", endpoints.stats),
        Route("/api/events", streams.events),
        Route("/api/zones", endpoints.zones, methods=["GET", "PUT"]),
        Route("/api/snapshot.jpg", endpoints.snapshot),
        Route("/api/uploads", upload_endpoints.upload, methods=["POST"]),
        Route("/api/uploads/{name}/{kind}", upload_endpoints.download),
        Route("/api/uploads/{name}", upload_endpoints.delete, methods=["DELETE"]),
        Route("/api/health", endpoints.health),
        Route("/api/login", endpoints.login, methods=["POST"]),
        Route("/api/openapi.json", endpoints.openapi),
        Route("/metrics", metrics),
        Route("/stream/{name}.mjpg", streams.mjpeg),
        WebSocketRoute("/ws", streams.live),
    ]


async def _tick(context: Context) -> None:
    """Ends the seconds of the charts, and deletes old uploads."""
    seconds = 0
    while True:
        await asyncio.sleep(1)
        context.sites.tick()
        seconds += 1
        if context.uploads is not None and seconds % _EXPIRE_S == 0:
            await run_in_threadpool(context.uploads.expire)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = json_answer({"error": error.detail}, error.status_code)
    answer.headers.update(error.headers or {})
    return answer


async def _internal_error(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path)
    return json_answer({"error": "internal error"}, 500)
