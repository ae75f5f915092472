"""Results of another size, for videos that are smaller than their source."""

import dataclasses

import numpy as np

from tracker.masks import resized_mask
from tracker.tracks import TrackedFrame
from tracker.util.opencv import cv2


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Returns height and width after scaling; both are even, at least 2, unless `scale` is 1.

    Example:
        >>> scaled_size((1080, 1918), 0.5)
        (540, 960)
    """
    if scale == 1:
        return size
    height, width = (max(2, 2 * round(side * scale / 2)) for side in size)
    return height, width


def scaled_result(result: TrackedFrame, scale: float) -> TrackedFrame:
    """Returns the result with image, boxes, velocities and masks of another size.

    What is drawn then has the lines and letters of that size.

    Args:
        result: A result.
        scale: Factor on width and height, > 0; the result is returned as it is at 1.
    """
    if scale == 1:
        return result
    image, tracks, detections = result.frame.image, result.tracks, result.detections
    height, width = scaled_size(image.shape[:2], scale)
    resized = np.empty((height, width, 3), np.uint8)
    cv2.resize(image, (width, height), dst=resized, interpolation=cv2.INTER_AREA)
    x, y = width / image.shape[1], height / image.shape[0]
    box_scale = np.array([x, y, x, y], np.float32)
    masks = detections.masks
    if masks is not None:
        masks = tuple(resized_mask(mask, (height, width)) for mask in masks)
    return dataclasses.replace(
        result,
        frame=dataclasses.replace(result.frame, image=resized),
        tracks=dataclasses.replace(
            tracks,
            boxes=tracks.boxes * box_scale,
            velocities=tracks.velocities * box_scale[:2],
        ),
        detections=dataclasses.replace(detections, boxes=detections.boxes * box_scale, masks=masks),
    )
