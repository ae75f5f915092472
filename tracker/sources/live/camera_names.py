"""The camera that a text names: by number, device file, or device name."""

import re
import sys
from pathlib import Path

from tracker.errors import SourceError, nearest

NAME_PREFIX = "camera:"
"""Prefix of a camera's name."""

SYSTEM_FOLDER = Path("/sys/class/video4linux")
"""Folder in which Linux lists the names of cameras."""

_DEVICE = re.compile(r"(?:v4l2://)?/dev/video([0-9]+)")
_BY_ID = re.compile(r"(?:v4l2://)?(/dev/v4l/by-(?:id|path)/.+)")


def is_camera(text: str) -> bool:
    """Returns whether a text names a camera, existing or not.

    Example:
        >>> is_camera("0"), is_camera("/dev/video2"), is_camera("camera:HD Webcam")
        (True, True, True)
    """
    return bool(
        re.fullmatch(r"[0-9]+", text)
        or _DEVICE.fullmatch(text)
        or _BY_ID.fullmatch(text)
        or text.lower().startswith(NAME_PREFIX)
    )


def camera_index(text: str, *, system: Path = SYSTEM_FOLDER) -> int:
    """Returns the number of the camera that a text names.

    Args:
        text: Digits, `/dev/videoN`, `v4l2:///dev/videoN`, a link in `/dev/v4l/by-id`, or `camera:`
            and a name, whole or in part, in any case.
        system: Folder in which the system lists the cameras' names.

    Raises:
        SourceError: It names no camera, or several.

    Example:
        >>> camera_index("3"), camera_index("/dev/video3")
        (3, 3)
    """
    if re.fullmatch(r"[0-9]+", text):
        return int(text)
    if device := _DEVICE.fullmatch(text):
        return int(device.group(1))
    if link := _BY_ID.fullmatch(text):
        target = _DEVICE.fullmatch(str(Path(link.group(1)).resolve()))
        if target is None:
            raise SourceError(f"{text}: leads to no camera; see ls -l /dev/v4l/by-id")
        return int(target.group(1))
    if text.lower().startswith(NAME_PREFIX):
        return _named(text, system)
    raise SourceError(f"{text}: expected a camera: 0, /dev/video0 or {NAME_PREFIX}NAME")


def _named(text: str, system: Path) -> int:
    wanted = text[len(NAME_PREFIX) :].strip().lower()
    cameras = cameras_by_number(system)
    if not wanted or not cameras:
        if not sys.platform.startswith("linux"):
            hint = "cameras have names on Linux alone; give its number"
        else:
            names = ", ".join(cameras.values())
            hint = f"found {names}" if names else "no camera is there: plug one in"
        raise SourceError(f"{text}: expected {NAME_PREFIX}NAME of a camera; {hint}")
    for is_match in (str.__eq__, str.__contains__):
        found = {n: name for n, name in cameras.items() if is_match(name.lower(), wanted)}
        if len(found) == 1:
            return next(iter(found))
        if found:
            numbers = ", ".join(f"{number} ({name})" for number, name in found.items())
            raise SourceError(f"{text}: names several cameras: {numbers}; give the number")
    hint = nearest(wanted, [name.lower() for name in cameras.values()])
    names = ", ".join(f"{number} ({name})" for number, name in cameras.items())
    raise SourceError(f"{text}: no camera has this name{hint}; found {names}")


def cameras_by_number(system: Path = SYSTEM_FOLDER) -> dict[int, str]:
    """Returns the names of cameras by number, without other nodes such as metadata.

    Args:
        system: Folder with a folder `videoN` for each node, that holds `name` and `index`; the
            frames come from index 0.
    """
    found: dict[int, str] = {}
    for folder in system.glob("video*"):
        number = folder.name[len("video") :]
        try:
            name = (folder / "name").read_text("utf-8", errors="replace").strip()
            index = (folder / "index").read_text("ascii").strip()
        except OSError:
            continue
        if number.isdecimal() and index == "0":
            found[int(number)] = name
    return dict(sorted(found.items()))
