"""Uploads: receiving, downloading and deleting."""

from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from tracker.serve.context import context_of, json_answer
from tracker.serve.uploads import UploadRefused, Uploads
from tracker.util.text import printable

_LONGEST_TITLE = 120
_TYPES = {
    "json": ("application/json", "json"),
    "csv": ("text/csv", "csv"),
    "mp4": ("video/mp4", "mp4"),
    "report": ("text/html", "html"),
}


async def upload(request: Request) -> Response:
    """POST /api/uploads."""
    uploads = _uploads(request)
    announced = request.headers.get("content-length", "")
    if not announced.isdecimal():
        raise HTTPException(411, "expected Content-Length")
    if len(announced) > 15:
        raise HTTPException(413, f"expected at most {uploads.limit} bytes")
    title = _title(request.headers.get("x-filename", ""))
    try:
        name = await uploads.receive(request.stream(), int(announced), title)
    except UploadRefused as refusal:
        raise HTTPException(refusal.status, refusal.reason) from refusal
    return json_answer({"name": name}, 201)


def download(request: Request) -> Response:
    """GET /api/uploads/{name}/{kind}."""
    found = _uploads(request).get(request.path_params["name"])
    kind = request.path_params["kind"]
    if found is None or kind not in _TYPES:
        raise HTTPException(404, "unknown upload, or a kind that is not json, csv, mp4 or report")
    if found.site.worker.is_recording:
        raise HTTPException(409, "the video is being processed; wait for its end")
    path = found.files.all_made().get(kind)
    if path is None:
        raise HTTPException(404, "there is no such file: processing failed, or found no tracks")
    media_type, ending = _TYPES[kind]
    stem = found.site.title.rpartition(".")[0] or found.site.title
    headers = {"cache-control": "no-store"}
    return FileResponse(
        path, media_type=media_type, filename=f"{stem}.tracks.{ending}", headers=headers
    )


async def delete(request: Request) -> Response:
    """DELETE /api/uploads/{name}."""
    if not await run_in_threadpool(_uploads(request).delete, request.path_params["name"]):
        raise HTTPException(404, "unknown upload")
    return Response(status_code=204)


def _uploads(request: Request) -> Uploads:
    uploads = context_of(request).uploads
    if uploads is None:
        raise HTTPException(404, "uploads are off: --upload-limit 0")
    return uploads


def _title(header: str) -> str:
    """Returns what people see of the name of an uploaded file; it is never a path on this side."""
    text = printable(unquote(header, errors="replace")).replace("\\", "/")
    name = text.rpartition("/")[2].strip()[:_LONGEST_TITLE]
    return name or "upload"
