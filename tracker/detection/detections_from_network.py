"""Frames as a network's input, and what was found in it as detections of the frames."""

from collections.abc import Sequence

import numpy as np

from tracker.boxes import is_proper
from tracker.detection.letterbox import (
    LetterboxGeometry,
    letterbox,
    letterbox_geometry,
    undo_letterbox,
)
from tracker.detection.runtimes.base import InputDetections
from tracker.detections import Detections
from tracker.frames import Frame
from tracker.util.arrays import UInt8Array


def letterboxed(
    frames: Sequence[Frame], size: tuple[int, int], *, stretch: float = 1.0
) -> tuple[UInt8Array, list[LetterboxGeometry]]:
    """Returns the input `(B, h, w, 3)` uint8 RGB, and where each frame lies in it.

    Args:
        frames: `B` frames, at least one.
        size: Height and width of the input in pixels.
        stretch: Largest factor by which a frame's aspect is changed to fill the input.
    """
    geometries = [
        letterbox_geometry((frame.height, frame.width), size, stretch=stretch) for frame in frames
    ]
    images = [
        letterbox(frame.image, geometry) for frame, geometry in zip(frames, geometries, strict=True)
    ]
    # A single image is not copied.
    return images[0][None] if len(images) == 1 else np.stack(images), geometries


def in_frame(found: InputDetections, geometry: LetterboxGeometry) -> Detections:
    """Returns detections in pixels of the frame; boxes with nothing inside the frame are gone.

    Args:
        found: What was found in one input.
        geometry: Where the frame lies in it.
    """
    boxes = undo_letterbox(found.boxes, geometry)
    keep = is_proper(boxes)
    # Rounding may carry a score past 1 by its last bit.
    scores = np.minimum(found.scores[keep], np.float32(1))
    return Detections.create(boxes[keep], scores, found.classes[keep])
