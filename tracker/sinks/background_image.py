"""An image file in place of the background."""

from os import PathLike

import numpy as np

from tracker.errors import ConfigError
from tracker.util.arrays import UInt8Array
from tracker.util.opencv import cv2
from tracker.util.paths import unreadable_text


def read_background(path: str | PathLike[str]) -> UInt8Array:
    """Returns the image `(H, W, 3)` uint8 RGB of a file; transparency is ignored.

    Raises:
        ConfigError: The file cannot be read, or is no image.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise ConfigError(f"--background {path}: {unreadable_text(path, error)}") from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise ConfigError(
            f"--background {path}: expected an image such as a PNG or JPEG, got a file that cannot "
            "be decoded"
        )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def covering(image: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    """Returns the image `(*size, 3)`, scaled to cover a frame; what protrudes is cut evenly.

    Args:
        image: `(H, W, 3)` uint8.
        size: Height and width of the frame in pixels.

    Example:
        >>> covering(np.zeros((10, 40, 3), np.uint8), (20, 30)).shape
        (20, 30, 3)
    """
    height, width = size
    scale = max(height / image.shape[0], width / image.shape[1])
    rows, columns = (
        max(length, round(side * scale)) for side, length in zip(image.shape, size, strict=False)
    )
    mode = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    large = cv2.resize(image, (columns, rows), interpolation=mode)
    top, left = (rows - height) // 2, (columns - width) // 2
    return np.array(large[top : top + height, left : left + width], np.uint8)
