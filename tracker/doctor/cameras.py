"""Checks that cameras can be opened and deliver frames."""

import sys
from collections.abc import Callable, Mapping

from tracker.doctor.check import Check, ok, warning
from tracker.errors import SourceError
from tracker.sources.live.camera import Camera, Capture
from tracker.sources.live.camera_names import cameras_by_number
from tracker.util.opencv import cv2

_NO_LIST = {0: "the first one"}
"""Cameras that are tried where the system does not list them."""


def camera_checks() -> list[Check]:
    """Returns whether each camera of this machine delivers a frame."""
    is_linux = sys.platform.startswith("linux")
    return checks_of(cameras_by_number() if is_linux else _NO_LIST, cv2.VideoCapture)


def checks_of(cameras: Mapping[int, str], open_capture: Callable[[int], Capture]) -> list[Check]:
    """Returns whether cameras deliver a frame; one warning where there is none.

    Args:
        cameras: Their names by number.
        open_capture: Opens a camera by its number.
    """
    if not cameras:
        mend = "Plug a camera in for tracker run 0; files and streams need none."
        return [warning("cameras", "none is connected", mend)]
    return [_check(number, name, open_capture) for number, name in cameras.items()]


def _check(number: int, name: str, open_capture: Callable[[int], Capture]) -> Check:
    title = f"camera {number}"
    try:
        with Camera(number, open_capture=open_capture) as camera:
            info = camera.info
    except SourceError as error:
        detail, _, mend = str(error).removeprefix(f"{title}: ").partition("; ")
        sentence = f"{mend[:1].upper()}{mend[1:]}." if mend else "Try another number."
        return warning(title, f"{name}: {detail}", sentence)
    return ok(title, f"{name}: {info.width}x{info.height}, {float(info.fps):g} frames a second")
