"""`tracker serve`: a live page of sources in the browser."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tracker.cli.options import (
    Attempts,
    Blur,
    BlurIds,
    BoxLines,
    ClassFilter,
    ClassNames,
    ColorOf,
    Confidence,
    ConfigFile,
    DetectEvery,
    Device,
    FontScale,
    InputSize,
    LabelTexts,
    LineScale,
    MaxFrames,
    OverlapLimit,
    Overrides,
    Runtime,
    Seed,
    Slices,
    StartTime,
    Stride,
    TrailSeconds,
)
from tracker.cli.parsing import RunCommand
from tracker.errors import ConfigError, SourceError
from tracker.util.optional_library import optional_library
from tracker.util.terminal import print_status

if TYPE_CHECKING:
    from tracker.serve.build import ServeRequest

TOKEN = "TRACKER_TOKEN"
"""Variable of the environment with the token."""

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_TIMES = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def add_commands(app: typer.Typer) -> None:
    """Adds the command of this module to the program."""
    app.command(cls=RunCommand)(serve)


def serve(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    source: Annotated[
        list[str] | None,
        typer.Argument(
            help="Sources as in tracker run; or recorded tracks (out.jsonl), and after them their "
            "video. Without any, videos can be uploaded."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 for all, which needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 for any free one.")] = 8000,
    token_file: Annotated[
        str | None,
        typer.Option(help="File with the token that clients need. [TRACKER_TOKEN]"),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Another name under which the server is reached, as behind a proxy."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    zones: Annotated[
        str | None,
        typer.Option(
            help="Zones and lines, read and written by the page. {name} in it becomes the name of "
            "the source. [NAME.zones.yaml]"
        ),
    ] = None,
    uploads: Annotated[
        str | None, typer.Option(help="Folder of uploaded videos. [a temporary one]")
    ] = None,
    upload_limit: Annotated[
        str, typer.Option(help="Largest upload: 500MB, 2GB; 0 refuses uploads.")
    ] = "2GB",
    keep: Annotated[str, typer.Option(help="How long uploads are kept: 30m, 24h, 7d.")] = "24h",
    as_fast_as_possible: Annotated[
        bool,
        typer.Option("--as-fast-as-possible", help="Process files faster than they play."),
    ] = False,
    jpeg_quality: Annotated[int, typer.Option(help="Quality of images, 1 to 100.")] = 80,
    detector: Annotated[
        str | None, typer.Option(help="As in tracker run: nano, small, motion, a file. [small]")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Weights of a .cfg, a .param, or of fcn.")
    ] = None,
    names: ClassNames = None,
    classes: ClassFilter = None,
    embedder: Annotated[
        str | None, typer.Option(help="As in tracker run: auto, builtin, none, a file. [auto]")
    ] = None,
    conf: Confidence = None,
    iou: OverlapLimit = None,
    imgsz: InputSize = None,
    slices: Slices = None,
    device: Device = None,
    runtime: Runtime = None,
    half: Annotated[bool, typer.Option("--half", help="Compute in 16 bits.")] = False,
    detect_every: DetectEvery = None,
    policy: Annotated[
        str | None,
        typer.Option(help="Frames to process if the source is faster: newest, all, auto. [auto]"),
    ] = None,
    reconnect: Attempts = None,
    max_frames: MaxFrames = None,
    stride: Stride = None,
    start: StartTime = None,
    background: Annotated[
        str | None,
        typer.Option(help="Around tracked people: keep, blur, remove, or an image file."),
    ] = None,
    segmenter: Annotated[
        str | None, typer.Option(help="A .keras of `tracker train segmenter`.")
    ] = None,
    blur: Blur = None,
    blur_ids: BlurIds = None,
    labels: LabelTexts = None,
    color_by: ColorOf = None,
    boxes: BoxLines = None,
    line_scale: LineScale = None,
    font_scale: FontScale = None,
    trail: TrailSeconds = None,
    seed: Seed = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Show sources live in the browser: video, tracks, counts, zones; with a REST interface."""
    check_libraries()
    from tracker.cli.run.configuration import run_config
    from tracker.cli.run.dependent_options import LIVE, check_dependent_options
    from tracker.serve.build import ServeRequest
    from tracker.serve.settings import ServeSettings
    from tracker.sources.source_kind import is_live_source

    settings = ServeSettings(
        host=host,
        port=port,
        token=read_token(token_file),
        allowed_hosts=tuple(allow_host or ()),
        zones=zones,
        paced=not as_fast_as_possible,
        jpeg_quality=jpeg_quality,
        uploads=uploads,
        upload_limit=byte_count(upload_limit),
        keep_s=seconds_of(keep),
    )
    options = {
        "detector": detector,
        "weights": weights,
        "names": names,
        "classes": classes,
        "embedder": embedder,
        "conf": conf,
        "iou": iou,
        "imgsz": imgsz,
        "slices": slices,
        "device": device,
        "runtime": runtime,
        "half": half,
        "detect_every": detect_every,
        "policy": policy,
        "reconnect": reconnect,
        "max_frames": max_frames,
        "stride": stride,
        "start": start,
        "background": background,
        "segmenter": segmenter,
        "blur": blur,
        "blur_ids": blur_ids,
        "labels": labels,
        "color_by": color_by,
        "boxes": boxes,
        "line_scale": line_scale,
        "font_scale": font_scale,
        "trail": trail,
        "seed": seed,
    }
    resolved = run_config(config, set_ or (), options)
    check_dependent_options(options, {LIVE: any(map(is_live_source, source or ()))})
    request = ServeRequest(tuple(source or ()), resolved, settings)
    raise typer.Exit(run_server(request, opens_browser=open_))


def run_server(request: "ServeRequest", *, opens_browser: bool) -> int:
    """Serves until a signal, and returns the exit code.

    Raises:
        TrackerError: An option, a source or a model is wrong, or the port is in use.
    """
    from tracker.cli.run.one import stop_on_signals
    from tracker.serve.build import build_context
    from tracker.serve.server import address_of, listening_socket, open_browser
    from tracker.serve.server import serve as serve_requests

    listening = listening_socket(request.settings)
    with listening, stop_on_signals() as stop:
        address = address_of(listening, request.settings)
        context = build_context(request)

        def started() -> None:
            print_status(f"tracker: {address} (Ctrl-C ends)")
            if opens_browser:
                open_browser(address)

        serve_requests(context, listening, stop.event, started)
    return 128 + stop.signal_number if stop.signal_number else 0


def check_libraries() -> None:
    """Checks that the extra is installed.

    Raises:
        DependencyError: It is not.
    """
    for name in ("starlette", "uvicorn", "websockets", "prometheus_client"):
        optional_library(name, purpose="live pages", extra="serve")


def read_token(path: str | None) -> str | None:
    """Returns the token of a file, else that of the environment, else `None`.

    Raises:
        SourceError: The file cannot be read.
        ConfigError: It is empty.
    """
    if path is None:
        return os.environ.get(TOKEN) or None
    try:
        token = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise SourceError(f"--token-file {path}: {why}") from error
    if not token:
        raise ConfigError(f"--token-file {path}: expected a token, got an empty file")
    return token


def byte_count(text: str) -> int:
    """Returns a number of bytes.

    Raises:
        ConfigError: It is no such number.

    Example:
        >>> byte_count("500MB"), byte_count("2GB"), byte_count("0")
        (500000000, 2000000000, 0)
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([kmgt]?)b?", text.strip().lower())
    if match is None:
        raise ConfigError(f"--upload-limit {text}: expected a size such as 500MB or 2GB")
    return int(float(match[1]) * _UNITS[match[2]])


def seconds_of(text: str) -> float:
    """Returns a duration in seconds.

    Raises:
        ConfigError: It is no such duration, or not above 0.

    Example:
        >>> seconds_of("30m"), seconds_of("24h")
        (1800.0, 86400.0)
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([smhd]?)", text.strip().lower())
    if match is None or not float(match[1]):
        raise ConfigError(f"--keep {text}: expected a time such as 30m, 24h or 7d")
    return float(match[1]) * _TIMES[match[2]]
