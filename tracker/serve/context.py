"""What the endpoints share."""

import threading
from dataclasses import dataclass, field
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse

from tracker.errors import DataError
from tracker.serve.security import Access
from tracker.serve.settings import ServeSettings
from tracker.serve.site import Site, Sites
from tracker.serve.uploads import Uploads
from tracker.util.json_text import parse_json

MOST_JSON = 1 << 20
"""Most bytes of the body of a request that is no upload."""


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """The state of a server.

    Attributes:
        settings: Its settings.
        sites: Its sources.
        uploads: Its uploads; `None` where they are refused.
        access: Who may use it.
        stopping: Set when the server ends: streams to clients end.
    """

    settings: ServeSettings
    sites: Sites
    uploads: Uploads | None
    access: Access
    stopping: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Ends all streams to clients."""
        self.stopping.set()
        for site in self.sites.all():
            site.worker.hub.pictures.clients.notify()

    def close(self) -> None:
        """Ends sources and uploads."""
        self.stop()
        self.sites.close()
        if self.uploads is not None:
            self.uploads.close()


def context_of(connection: HTTPConnection) -> Context:
    """Returns the state of the server of a request."""
    context: Context = connection.app.state.context
    return context


def named_site(connection: HTTPConnection, name: str | None) -> Site:
    """Returns the source of a name; without a name, the only one.

    Raises:
        HTTPException: There is none.
    """
    sites = context_of(connection).sites
    site = sites.get(name) if name is not None else None
    if name is None and len(every := sites.all()) == 1:
        site = every[0]
    if site is None:
        raise HTTPException(404, "unknown source; /api/sources lists them")
    return site


def queried_site(connection: HTTPConnection) -> Site:
    """Returns the source that the query names.

    Raises:
        HTTPException: There is none.
    """
    return named_site(connection, connection.query_params.get("source"))


async def json_body(request: Request) -> dict[str, Any]:
    """Returns the JSON object of a request.

    Raises:
        HTTPException: It is too large, or no JSON object.
    """
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_JSON:
            raise HTTPException(413, f"expected at most {MOST_JSON} bytes")
    try:
        value = parse_json(content)
    except DataError as error:
        raise HTTPException(400, str(error)) from error
    if not isinstance(value, dict):
        raise HTTPException(400, "expected a JSON object")
    return value


def json_answer(value: Any, status: int = 200) -> JSONResponse:
    """Returns an answer that no cache keeps."""
    return JSONResponse(value, status, headers={"cache-control": "no-store"})
