"""The image of a result with everything drawn into it, for videos, windows and pages."""

import numpy as np

from tracker.sinks.changed_images import Overlay
from tracker.sinks.draw import draw_over
from tracker.sinks.draw_style import DrawStyle
from tracker.sinks.draw_trails import Trails
from tracker.tracks import TrackedFrame
from tracker.util.arrays import UInt8Array


def annotated_image(
    result: TrackedFrame,
    trails: Trails,
    style: DrawStyle,
    overlay: Overlay | None,
    spare: UInt8Array | None = None,
) -> UInt8Array:
    """Returns a copy of the result's image with its tracks, zones and lines.

    Outlines of zones lie below the tracks, so that they cross no label; their counts lie above.

    Args:
        result: Tracks and image.
        trails: The past of the tracks, up to date.
        style: Style of the drawing.
        overlay: Zones and lines; `None` where there are none.
        spare: An image that becomes the copy, if it is of the same shape.

    Raises:
        DataError: As `draw_tracks`.
    """
    image = result.frame.image
    if spare is not None and spare.shape == image.shape:
        np.copyto(spare, image)
        canvas = spare
    else:
        canvas = np.array(image, order="C", copy=True)
    if overlay is not None:
        overlay.draw_outlines(canvas, style)
    draw_over(
        canvas,
        result.tracks,
        class_names=result.run.class_names,
        trails=trails,
        style=style,
        masks=result.detections.masks,
        zones=None if overlay is None else overlay.zones_of_tracks(),
    )
    if overlay is not None:
        overlay.draw_counts(canvas, style)
    return canvas
