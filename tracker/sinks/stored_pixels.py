"""Results in the pixels that the source stores, for all result files.

Detectors and trackers use square pixels; where a source stores others (DV, HDV, DVD, broadcasts),
its frames are stretched. Files use stored pixels, like other programs.
"""

import dataclasses

import numpy as np

from tracker.masks import resized_mask
from tracker.tracks import TrackedFrame


def in_stored_pixels(result: TrackedFrame) -> TrackedFrame:
    """Returns the result with boxes, velocities and masks in pixels of the stored frame.

    It is `result` itself where the source stores square pixels.
    """
    stored = result.run.video.stored_size
    if stored is None:
        return result
    x, y = result.run.video.stored_scale
    box_scale = np.array([x, y, x, y], np.float32)
    tracks, detections = result.tracks, result.detections
    masks = detections.masks
    if masks is not None:
        masks = tuple(resized_mask(mask, (stored[1], stored[0])) for mask in masks)
    return dataclasses.replace(
        result,
        tracks=dataclasses.replace(
            tracks,
            boxes=tracks.boxes * box_scale,
            velocities=tracks.velocities * box_scale[:2],
        ),
        detections=dataclasses.replace(detections, boxes=detections.boxes * box_scale, masks=masks),
    )
