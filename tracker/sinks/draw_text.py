"""Text drawn into images, with the fonts of OpenCV 4 or 5."""

import functools
import threading
import unicodedata
from typing import Any

from tracker.util.arrays import UInt8Array
from tracker.util.opencv import cv2


def drawable(name: str, class_index: int) -> str:
    """Returns the class name in characters that this OpenCV can draw.

    OpenCV 5 draws most scripts. OpenCV 4 draws ASCII only: accents are dropped there, and a name
    that loses letters is replaced by its class number.
    """
    if name.isascii() or _has_true_type():
        return name
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    letters = sum(not unicodedata.combining(c) for c in unicodedata.normalize("NFKD", name))
    return plain if len(plain) == letters else f"class {class_index}"


def fitted(text: str, room_px: int, size: int) -> tuple[str, int]:
    """Returns the text, shortened until it fits, and its width in pixels.

    Args:
        text: One line.
        room_px: Available width in pixels.
        size: Size of the font in pixels.
    """
    width = text_width(text, size)
    while width > room_px and len(text) > 1:
        text = text[:-4] + "..." if text.endswith("...") else text[:-3] + "..."
        width = text_width(text, size)
        if text == "...":
            break
    return text, width


_fonts = threading.local()  # A FontFace is not documented as safe to share between threads.


def _has_true_type() -> bool:
    return "FontFace" in vars(cv2)


def _font() -> Any:
    if "face" not in vars(_fonts):
        _fonts.face = cv2.FontFace("sans")
    return _fonts.face


def _hershey(size: int) -> tuple[float, int]:
    # Capitals are 21 units high at scale 1 here, and 0.7 of the size in the TrueType font.
    return size * 0.7 / 21, max(1, round(size / 16))


@functools.lru_cache(4096)
def text_width(text: str, size: int) -> int:
    """Returns the width in pixels of a line of text.

    Args:
        text: One line.
        size: Size of the font in pixels.
    """
    if _has_true_type():
        x, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), _font(), size, 500)
        return int(x + width)
    scale, stroke = _hershey(size)
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, stroke)
    return int(width)


def put_text(
    canvas: UInt8Array,
    text: str,
    origin: tuple[int, int],
    *,
    ink: tuple[int, int, int],
    size: int,
) -> None:
    """Draws one line of text into the image.

    Args:
        canvas: `(H, W, 3)` uint8 RGB, changed in place.
        text: What is drawn; see `drawable`.
        origin: Left end of the base line, x and y in pixels.
        ink: RGB.
        size: Size of the font in pixels.
    """
    if _has_true_type():
        cv2.putText(canvas, text, origin, ink, _font(), size, 500)
        return
    scale, stroke = _hershey(size)
    cv2.putText(canvas, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, stroke, cv2.LINE_AA)
