"""`tracker zones`: writes zones.yaml."""

from dataclasses import dataclass, replace
from pathlib import Path

from tracker.analytics.analyser import Analyser
from tracker.analytics.settings import AnalyticsSettings, pixel_scale
from tracker.cli.zones.annotations import settings_from_annotations, settings_of
from tracker.cli.zones.window import Canvas, OpenCvCanvas, drawn_shapes
from tracker.config.zones import zones_text
from tracker.errors import ConfigError, OutputError, SourceError
from tracker.sinks.output_file import check_not_source
from tracker.sinks.place import Existing, claimed
from tracker.util.arrays import UInt8Array
from tracker.util.atomic_file import make_parent, replaced_file

_FIRST_LINE = "yaml-language-server: $schema=zones.schema.json"


@dataclass(frozen=True, slots=True)
class ZonesRequest:
    """Input and outputs of `tracker zones`.

    Attributes:
        source: An image, or a video whose first frame is taken; `None` only with `annotations`.
        output: Path of zones.yaml.
        annotations: XML of CVAT or JSON of LabelMe; `None` to draw in a window.
        preview: Path of a PNG of the frame with the zones; `None` for none.
        existing: Whether existing files may be replaced.
    """

    source: str | None
    output: str
    annotations: str | None = None
    preview: str | None = None
    existing: Existing = Existing.REPLACE


def run_zones(request: ZonesRequest, canvas: Canvas | None = None) -> str:
    """Writes zones.yaml; returns a line about it.

    Args:
        request: Input and outputs.
        canvas: Where to draw; `None` for a window.

    Raises:
        ConfigError: There is nothing to draw on, or a shape is wrong.
        SourceError: An input cannot be read.
        DataError: The annotations are malformed.
        OutputError: There is no display, the output cannot be written, or nothing was saved.
    """
    inputs = [path for path in (request.source, request.annotations) if path is not None]
    outputs = [path for path in (request.output, request.preview) if path is not None]
    for path in outputs:
        for read in inputs:
            check_not_source(path, read)
    if request.source is None and (request.annotations is None or request.preview is not None):
        raise ConfigError(
            "expected an image or a video to draw on: tracker zones in.mp4 -o zones.yaml"
        )
    with claimed(request.output, request.existing):
        image = None if request.source is None else first_image(request.source)
        settings = _settings(request, image, canvas)
        make_parent(Path(request.output))
        with replaced_file(Path(request.output)) as draft:
            Path(draft).write_text(zones_text(settings, comment=_FIRST_LINE), encoding="utf-8")
    if request.preview is not None and image is not None:
        _write_preview(request.preview, image, settings)
    zones, lines = len(settings.zones), len(settings.lines)
    return f"{request.output}: {zones} zones, {lines} lines; names and limits are edited there"


def first_image(source: str) -> UInt8Array:
    """Returns the first frame `(H, W, 3)` uint8 RGB of an image or a video.

    Raises:
        SourceError: It cannot be read.
    """
    from tracker.config.build import open_source
    from tracker.config.run import Config

    with open_source(source, Config()) as opened:
        for frame in opened:
            return frame.image
    raise SourceError(f"{source}: expected an image or a video, got no frame")


def _settings(
    request: ZonesRequest, image: UInt8Array | None, canvas: Canvas | None
) -> AnalyticsSettings:
    size = None if image is None else (int(image.shape[1]), int(image.shape[0]))
    if request.annotations is not None:
        settings = settings_from_annotations(request.annotations)
        return settings if settings.size is not None else replace(settings, size=size)
    if image is None:
        raise ConfigError("expected an image or a video to draw on")
    if canvas is None:
        from tracker.sinks.window import check_display

        check_display()
        canvas = OpenCvCanvas()
    shapes = drawn_shapes(image, canvas)
    if shapes is None:
        raise OutputError(f"{request.output}: not written, as nothing was saved (s saves)")
    return settings_of(shapes, size)


def _write_preview(path: str, image: UInt8Array, settings: AnalyticsSettings) -> None:
    from tracker.sinks.draw_style import DrawStyle
    from tracker.sinks.draw_zones import draw_zones
    from tracker.util.opencv import cv2

    canvas = image.copy()
    size = int(image.shape[1]), int(image.shape[0])
    analyser = Analyser(settings, size, ())
    draw_zones(canvas, analyser, pixel_scale(settings, size), DrawStyle())
    done, content = cv2.imencode(".png", cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR))
    if not done:
        raise OutputError(f"{path}: the image cannot be encoded as PNG")
    make_parent(Path(path))
    with replaced_file(Path(path)) as draft:
        Path(draft).write_bytes(content.tobytes())
