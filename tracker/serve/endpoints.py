"""The REST interface: sources, tracks, charts, zones, snapshots, health."""

import asyncio
from importlib.resources import files
from typing import Any

import yaml
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tracker.errors import ConfigError, OutputError
from tracker.serve.context import context_of, json_answer, json_body, named_site, queried_site
from tracker.serve.pictures import Kind
from tracker.serve.security import COOKIE
from tracker.serve.worker import State
from tracker.version import __version__

_WRONG_TOKEN_S = 0.5
_YES = frozenset({"1", "true", "yes"})


def sources(request: Request) -> Response:
    """GET /api/sources."""
    context = context_of(request)
    uploads = None if context.uploads is None else {"max_bytes": context.uploads.limit}
    listed = [site.to_json() for site in context.sites.all()]
    return json_answer({"sources": listed, "uploads": uploads})


def change_state(request: Request) -> Response:
    """POST /api/sources/{name}/pause, resume or restart."""
    worker = named_site(request, request.path_params["name"]).worker
    actions = {"pause": worker.pause, "resume": worker.resume, "restart": worker.restart}
    action = actions.get(request.path_params["action"])
    if action is None:
        raise HTTPException(404, "expected pause, resume or restart")
    try:
        action()
    except ConfigError as error:
        raise HTTPException(409, str(error)) from error
    return Response(status_code=204)


def tracks(request: Request) -> Response:
    """GET /api/tracks."""
    return json_answer(queried_site(request).tracks())


def track(request: Request) -> Response:
    """GET /api/tracks/{name}/{id}."""
    site = named_site(request, request.path_params["name"])
    found = site.track(_number(request))
    if found is None:
        raise HTTPException(404, "unknown track")
    return json_answer(found)


def crop(request: Request) -> Response:
    """GET /api/crops/{name}/{id}.jpg."""
    site = named_site(request, request.path_params["name"])
    content = site.worker.hub.crops.get(_number(request))
    if content is None:
        raise HTTPException(404, "no image of this track")
    return _jpeg(content)


def stats(request: Request) -> Response:
    """GET /api/stats."""
    site = queried_site(request)
    return json_answer({"source": site.name, **site.worker.hub.charts()})


async def zones(request: Request) -> Response:
    """GET and PUT /api/zones."""
    site = queried_site(request)
    if request.method != "PUT":
        return json_answer(site.zone_document())
    tree = await json_body(request)
    try:
        settings = site.zones_of(tree)
        await run_in_threadpool(context_of(request).sites.set_zones, site, settings)
    except ConfigError as error:
        raise HTTPException(400, str(error)) from error
    except OutputError as error:
        raise HTTPException(409, str(error)) from error
    return json_answer(site.zone_document())


async def snapshot(request: Request) -> Response:
    """GET /api/snapshot.jpg."""
    hub = queried_site(request).worker.hub
    wants_overlay = request.query_params.get("overlay", "").lower() in _YES
    kind = Kind.ANNOTATED if wants_overlay else Kind.CLEAN
    content = await run_in_threadpool(hub.jpeg, kind)
    if content is None:
        raise HTTPException(404, "no image yet")
    return _jpeg(content)


def health(request: Request) -> Response:
    """GET /api/health."""
    sites = context_of(request).sites.all()
    states = {site.name: site.worker.state for site in sites}
    bad = [state for state in states.values() if state in (State.LOST, State.FAILED)]
    status = "degraded" if bad else "ok"
    value = {"status": status, "version": __version__, "sources": states}
    return json_answer(value, 503 if bad else 200)


async def login(request: Request) -> Response:
    """POST /api/login: the cookie of a client that presents the token."""
    access = context_of(request).access
    token = (await json_body(request)).get("token")
    if not isinstance(token, str) or not access.is_token(token):
        await asyncio.sleep(_WRONG_TOKEN_S)
        raise HTTPException(401, "wrong token")
    answer = Response(status_code=204)
    is_secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, access.session, httponly=True, samesite="strict", secure=is_secure)
    return answer


def openapi_document() -> dict[str, Any]:
    """Returns the description of the interface."""
    text = files("tracker.serve").joinpath("openapi.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    document["info"]["version"] = __version__
    return document


def openapi(request: Request) -> Response:
    """GET /api/openapi.json."""
    return json_answer(openapi_document())


def _number(request: Request) -> int:
    """Returns the id of the path; one that no track can have gives -1."""
    number: int = request.path_params["id"]
    return number if number < 2**63 else -1


def _jpeg(content: bytes) -> Response:
    return Response(content, media_type="image/jpeg", headers={"cache-control": "no-store"})
