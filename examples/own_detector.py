"""Track what a detector function of your own finds: here purple things, by their colour.

python examples/own_detector.py samples/plaza.mp4
"""

import sys

import cv2
import numpy as np

import tracker


def find_purple(image):
    """Returns boxes, scores and classes of the purple regions of an image (H, W, 3) uint8 RGB."""
    red, green, blue = np.moveaxis(image.astype(int), -1, 0)
    mask = ((red > 1.5 * green) & (blue > 1.5 * green) & (blue > 80)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, _, regions, _ = cv2.connectedComponentsWithStats(mask)
    x, y, width, height, area = regions[1:].T  # row 0 is the background
    boxes = np.stack([x, y, x + width, y + height], axis=1)[area >= 100]
    return boxes, np.full(len(boxes), 0.9), np.zeros(len(boxes), int)


if not sys.argv[1:]:
    sys.exit(__doc__)

for result in tracker.track(sys.argv[1], detector=find_purple, names=["purple"]):
    for track_id, box in zip(result.tracks.ids, result.tracks.boxes, strict=True):
        print(result.frame.index, track_id, *box.round().astype(int))
