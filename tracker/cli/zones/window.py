"""The window in which zones are drawn."""

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from tracker.cli.zones.annotations import Shape
from tracker.cli.zones.drawing import Drawing, picture
from tracker.util.arrays import UInt8Array
from tracker.util.opencv import cv2

_TITLE = "tracker zones"
_QUIT = ("q", "\x1b")
_SAVE = "s"


class Canvas(Protocol):
    """Where the picture is shown, and what the user does there."""

    def show(self, image: UInt8Array) -> None:
        """Shows `(H, W, 3)` uint8 RGB."""
        ...

    def action(self) -> tuple[float, float] | str:
        """Waits a moment; returns a place that was clicked, a key, or the empty string.

        A closed window is the key `q`.
        """
        ...

    def close(self) -> None:
        """Closes the window."""
        ...


def drawn_shapes(image: UInt8Array, canvas: Canvas) -> Sequence[Shape] | None:
    """Returns the shapes that the user draws; `None` if the user quits.

    Args:
        image: `(H, W, 3)` uint8 RGB.
        canvas: The window.
    """
    drawing = Drawing()
    try:
        canvas.show(picture(image, drawing))
        while True:
            action = canvas.action()
            if action in _QUIT:
                return None
            if action == _SAVE and drawing.shapes and not drawing.points:
                return drawing.shapes
            changed = _after(drawing, action, image.shape[0])
            if changed != drawing:
                drawing = changed
                canvas.show(picture(image, drawing))
    finally:
        canvas.close()


def _after(drawing: Drawing, action: tuple[float, float] | str, height: int) -> Drawing:
    if action == _SAVE:
        return drawing.unsaved()
    if isinstance(action, str):
        return drawing.pressed(action)
    x, y = action
    return drawing.clicked(x, min(y, float(height)))  # Below the image there is text.


class OpenCvCanvas:
    """A window of OpenCV's."""

    def __init__(self) -> None:
        # Clicks and keys in their order: one wait may see several.
        self._actions: deque[tuple[float, float] | str] = deque()
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.setMouseCallback(_TITLE, self._on_mouse)

    def show(self, image: UInt8Array) -> None:
        """Shows `(H, W, 3)` uint8 RGB."""
        cv2.imshow(_TITLE, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))

    def action(self) -> tuple[float, float] | str:
        """Waits a moment; returns a click, a key, or the empty string."""
        code = int(cv2.waitKey(20))
        if code >= 0:
            self._actions.append(chr(code & 0xFF))
        if self._actions:
            return self._actions.popleft()
        if cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1:
            return _QUIT[0]
        return ""

    def close(self) -> None:
        """Closes the window."""
        try:
            cv2.destroyWindow(_TITLE)
        except cv2.error:
            pass  # The user has closed it already.

    def _on_mouse(self, event: int, x: int, y: int, flags: int, data: object) -> None:
        if event == cv2.EVENT_LBUTTONDOWN:
            self._actions.append((float(x), float(y)))
