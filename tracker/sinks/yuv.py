"""RGB images as frames of BT.709 YUV 4:2:0 in limited range, as H.264 stores them."""

import av
import numpy as np

from tracker.util.arrays import UInt8Array
from tracker.util.opencv import cv2

_RED, _BLUE = 0.2126, 0.0722  # ITU-R BT.709, item 3.2
_ROWS = 120
"""Rows converted at a time: what is computed in between stays in the cache."""


def _bt709() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Returns the matrix `(3, 4)` from RGB of 0 to 255 and 1 to Y, Cb and Cr (BT.709, 3.5)."""
    luma = np.array([_RED, 1 - _RED - _BLUE, _BLUE])
    blue = (np.array([0, 0, 1]) - luma) / (2 * (1 - _BLUE))
    red = (np.array([1, 0, 0]) - luma) / (2 * (1 - _RED))
    scaled = np.stack([luma * 219, blue * 224, red * 224]) / 255
    return np.column_stack([scaled, [16, 128, 128]]).astype(np.float32)


_MATRIX = _bt709()


class YuvConverter:
    """Converts images of one size; odd sizes grow by a row or column that repeats the edge.

    OpenCV's matrix product is about twice as fast as swscale here, and rounds exactly. Each chroma
    value is the mean of four pixels.

    Args:
        shape: `(height, width, 3)` of the images.
        reuse: Whether each frame is written over the last one.
    """

    def __init__(self, shape: tuple[int, ...], *, reuse: bool) -> None:
        height, width = shape[:2]
        self._odd = height % 2, width % 2
        self.size = height + self._odd[0], width + self._odd[1]
        rows = min(_ROWS, self.size[0])
        self._full = np.empty((rows, self.size[1], 3), np.uint8)
        self._half = np.empty((rows // 2, self.size[1] // 2, 3), np.uint8)
        self._reused = self._new_frame() if reuse else None

    def frame(self, image: UInt8Array) -> av.VideoFrame:
        """Returns an image as a frame; `image` is `(H, W, 3)` uint8 RGB."""
        frame = self._reused or self._new_frame()
        if any(self._odd):
            image = np.pad(image, ((0, self._odd[0]), (0, self._odd[1]), (0, 0)), mode="edge")
        luma, blue, red = (_pixels(plane) for plane in frame.planes)
        height, width = self.size
        for top in range(0, height, _ROWS):
            rows = slice(top, min(top + _ROWS, height))
            count = rows.stop - top
            half_rows = slice(top // 2, rows.stop // 2)
            full, half = self._full[:count], self._half[: count // 2]
            cv2.transform(image[rows], _MATRIX, dst=full)
            cv2.extractChannel(full, 0, dst=luma[rows])
            cv2.resize(full, (width // 2, count // 2), dst=half, interpolation=cv2.INTER_AREA)
            cv2.extractChannel(half, 1, dst=blue[half_rows])
            cv2.extractChannel(half, 2, dst=red[half_rows])
        return frame

    def _new_frame(self) -> av.VideoFrame:
        return av.VideoFrame(self.size[1], self.size[0], "yuv420p")


def _pixels(plane: "av.video.plane.VideoPlane") -> UInt8Array:
    """Returns a view of a plane without the padding of its rows."""
    rows: UInt8Array = np.frombuffer(memoryview(plane), np.uint8)
    return rows.reshape(plane.height, plane.line_size)[:, : plane.width]
