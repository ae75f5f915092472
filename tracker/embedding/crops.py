"""Cutting detections out of a frame."""

import numpy as np

from tracker.boxes import clip
from tracker.util.arrays import Float32Array, Int64Array, UInt8Array
from tracker.util.opencv import cv2

OUTSIDE = 127
"""Level of the crop of a box that lies outside of the image as a whole."""


def cut_crops(image: UInt8Array, boxes: Float32Array, *, height: int, width: int) -> UInt8Array:
    """Returns `(N, height, width, 3)` uint8: the content of each box, stretched to one size.

    Boxes are cut to the image first: the part that is seen fills the crop. Padding would keep the
    parts of the body in place, but networks for appearance are trained on cut boxes, and so are
    the boxes that most detectors give. A box outside of the image gives an evenly grey crop.

    Args:
        image: `(H, W, 3)` uint8.
        boxes: `(N, 4)` xyxy in pixels of the image; edges are rounded to whole pixels, and at
            least one pixel is taken.
        height: Height of the crops in pixels.
        width: Width of the crops in pixels.
    """
    crops = np.empty((len(boxes), height, width, 3), np.uint8)
    for crop, (x1, y1, x2, y2) in zip(crops, _pixels(image, boxes).tolist(), strict=True):
        if x2 <= x1 or y2 <= y1:
            crop[...] = OUTSIDE
            continue
        # Means of pixels where detail has to go: with points in between, small patterns flicker.
        shrinks = y2 - y1 > height or x2 - x1 > width
        mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        cv2.resize(image[y1:y2, x1:x2], (width, height), dst=crop, interpolation=mode)
    return crops


def _pixels(image: UInt8Array, boxes: Float32Array) -> Int64Array:
    """Returns `(N, 4)` edges in whole pixels within the image; empty boxes lie outside."""
    height, width = image.shape[:2]
    edges = np.rint(clip(boxes, width=width, height=height)).astype(np.int64)
    # A thin box may round to nothing: the pixel that its centre lies in stands for it.
    size = np.array([width, height])
    centre = np.floor((boxes[:, :2].astype(np.float64) + boxes[:, 2:]) / 2)
    inside = (boxes[:, :2] < size) & (boxes[:, 2:] > 0)
    thin = (edges[:, 2:] <= edges[:, :2]) & inside
    pixel = np.clip(centre, 0, size - 1).astype(np.int64)
    edges[:, :2] = np.where(thin, pixel, edges[:, :2])
    edges[:, 2:] = np.where(thin, pixel + 1, edges[:, 2:])
    return edges
