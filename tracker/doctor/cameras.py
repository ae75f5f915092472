"""Checks that cameras can be opened and deliver frames."""

import sys
from collections.abc import Callable, Iterable, Mapping

from tracker.doctor.check import Check, ok, warning
from tracker.errors import SourceError
from tracker.sources.live.camera import Camera, Capture
from tracker.sources.live.camera_list import CameraInfo, probed_cameras
from tracker.sources.live.camera_names import cameras_by_number
from tracker.util.opencv import cv2


def camera_checks() -> list[Check]:
    """Returns whether each camera of this machine delivers a frame."""
    if sys.platform.startswith("linux"):
        return checks_of(cameras_by_number(), cv2.VideoCapture)
    return checks_of(opened_names(probed_cameras()), cv2.VideoCapture)


def opened_names(cameras: Iterable[CameraInfo]) -> dict[int, str]:
    """Returns the numbers and names of cameras; without any, the first number.

    It is opened to say why: where the system lists no cameras, one that is refused to this program
    looks like none.
    """
    names = {camera.index: camera.name or "a camera without a name" for camera in cameras}
    return names or {0: "the first one"}


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
