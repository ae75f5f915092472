"""The files of the page, held in memory: no path of a request reaches the file system."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webmanifest": "application/manifest+json",
}
_INDEX = "index.html"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file.

    Attributes:
        content: Its bytes.
        media_type: Its type.
        tag: Changes with the content.
    """

    content: bytes
    media_type: str
    tag: str


def static_files() -> Mapping[str, StaticFile]:
    """Returns the files of the page by name."""
    found = {}
    for entry in files("tracker.serve").joinpath("static").iterdir():
        ending = "." + entry.name.rpartition(".")[2]
        if entry.is_file() and ending in _TYPES:
            content = entry.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
            found[entry.name] = StaticFile(content, _TYPES[ending], tag)
    return found


def page(request: Request) -> Response:
    """GET / and /static/{file}."""
    served: Mapping[str, StaticFile] = request.app.state.static
    file = served.get(request.path_params.get("file", _INDEX))
    if file is None:
        raise HTTPException(404, "not found")
    headers = {"etag": file.tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
