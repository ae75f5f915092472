"""A window on the desktop that shows the tracks during the run."""

import subprocess
import sys
from typing import Protocol

from tracker.errors import OutputError
from tracker.sinks.annotated import annotated_image
from tracker.sinks.changed_images import Overlay
from tracker.sinks.closing import ClosesOnExit
from tracker.sinks.draw_style import DrawStyle
from tracker.sinks.draw_trails import Trails
from tracker.tracks import TrackedFrame
from tracker.util.arrays import UInt8Array
from tracker.util.opencv import cv2

_STOP_KEYS = {ord("q"), ord("Q"), 27}
_LARGEST_PX = 1280  # Larger frames open in a window of this size, which the user may enlarge.
_PROBE_S = 30

# OpenCV's Qt aborts the process when there is no display, so another process has to try first.
_PROBE = "import cv2; cv2.namedWindow('probe'); cv2.waitKey(1); cv2.destroyAllWindows()"


class Screen(Protocol):
    """Where frames are shown; `OpenCvScreen` is the real one."""

    def show(self, image: UInt8Array) -> None:
        """Shows `(H, W, 3)` uint8 RGB."""
        ...

    def key(self) -> int:
        """Returns the code of the pressed key, or -1; processes window events."""
        ...

    def is_open(self) -> bool:
        """Returns whether the user has left the window open."""
        ...

    def close(self) -> None:
        """Closes the window."""
        ...


class WindowSink(ClosesOnExit):
    """Shows each frame with its tracks, as fast as results arrive.

    Args:
        title: Title of the window.
        style: Style of the drawing.
        overlay: Draws over each image, above the tracks; `None` for nothing.
        screen: The display; by default a window on the desktop.

    Raises:
        OutputError: There is no display, or this OpenCV has no windows.
    """

    def __init__(
        self,
        title: str = "tracker",
        *,
        style: DrawStyle | None = None,
        overlay: Overlay | None = None,
        screen: Screen | None = None,
    ) -> None:
        if screen is None:
            check_display()
        self._screen: Screen = screen or OpenCvScreen(title)
        self._style = style or DrawStyle()
        self._trails = Trails(self._style.trail_s)
        self._overlay = overlay
        self._stop = False
        self._frames = 0

    @property
    def stop_requested(self) -> bool:
        """Whether the user pressed q or Esc, or closed the window."""
        return self._stop

    @property
    def status(self) -> str:
        """One line about the output."""
        stopped = ", stopped by the user" if self._stop else ""
        count = "1 frame" if self._frames == 1 else f"{self._frames} frames"
        return f"window: {count} shown{stopped}"

    def write(self, result: TrackedFrame) -> None:
        """Shows one frame; does nothing once the user has asked to stop.

        Raises:
            OutputError: The window failed.
        """
        self._trails.update(result.tracks, result.frame.time_s)
        if self._stop:
            return
        image = annotated_image(result, self._trails, self._style, self._overlay)
        try:
            self._screen.show(image)
        except cv2.error as error:
            raise _broken(error) from error
        self._frames += 1
        self.poll()

    def poll(self) -> None:
        """Processes window events and keys; call it also while there are no frames.

        Raises:
            OutputError: The window failed.
        """
        if self._stop or not self._frames:
            return
        try:
            key = self._screen.key()
            self._stop = key in _STOP_KEYS or not self._screen.is_open()
        except cv2.error as error:
            raise _broken(error) from error

    def close(self, *, complete: bool = True) -> None:
        """Closes the window; calling it again does nothing."""
        self._screen.close()


def _broken(error: cv2.error) -> OutputError:
    return OutputError(f"the window cannot be shown: {_one_line(str(error))}")


class OpenCvScreen:
    """A window of OpenCV's that opens with the first frame.

    Args:
        title: Title of the window.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._is_open = False

    def show(self, image: UInt8Array) -> None:
        """Shows `(H, W, 3)` uint8 RGB."""
        if not self._is_open:
            flags = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
            cv2.namedWindow(self._title, flags)
            height, width = image.shape[:2]
            scale = min(1.0, _LARGEST_PX / max(height, width))
            cv2.resizeWindow(self._title, round(width * scale), round(height * scale))
            self._is_open = True
        cv2.imshow(self._title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))

    def key(self) -> int:
        """Returns the code of the pressed key, or -1; processes window events."""
        code = int(cv2.waitKey(1))
        return code if code < 0 else code & 0xFF

    def is_open(self) -> bool:
        """Returns whether the user has left the window open."""
        return bool(cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1)

    def close(self) -> None:
        """Closes the window."""
        if self._is_open:
            self._is_open = False
            try:
                cv2.destroyWindow(self._title)
            except cv2.error:
                pass  # The user has closed it already.


def check_display() -> None:
    """Checks that a window can be opened.

    Raises:
        OutputError: There is no display, or this OpenCV has no windows.
    """
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=_PROBE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OutputError(
            f"--show needs a display, and this one did not answer in {_PROBE_S} s; use --video"
        ) from None
    if probe.returncode == 0:
        return
    output = probe.stderr
    if "not implemented" in output or "has no attribute" in output:
        raise OutputError(
            "--show needs an OpenCV with windows, and this is a headless build; use --video, or "
            "replace it (pip uninstall opencv-python-headless; pip install opencv-python)"
        )
    raise OutputError(
        f"--show needs a display and found none ({_last_line(output)}); use --video to write the "
        "frames to a file"
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # Qt names the display on one line; the lines after it are general advice.
    telling = [line for line in lines if "display" in line.lower()]
    return (telling or lines or ["no message"])[0 if telling else -1]


def _one_line(text: str) -> str:
    return " ".join(text.split())
