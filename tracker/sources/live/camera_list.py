"""The cameras of this computer, with their names, frame sizes and rates."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from tracker.sources.live.camera_names import SYSTEM_FOLDER, cameras_by_number

DEVICES = Path("/dev")
LAST_INDEX = 9
"""Largest camera number that is tried where the system does not list cameras."""


@dataclass(frozen=True, slots=True)
class CameraFormat:
    """A frame size of a camera.

    Attributes:
        pixels: Its code of the pixels, such as `MJPG` or `YUYV`; "" if unknown.
        width: Width in pixels.
        height: Height in pixels.
        rates: Frames a second, rising; empty if unknown.
    """

    pixels: str
    width: int
    height: int
    rates: tuple[Fraction, ...] = ()


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """A camera.

    Attributes:
        index: Its number, as `tracker run` takes it.
        name: Its name; "" if unknown.
        formats: What it delivers, its default first; empty if unknown.
        problem: Why the formats are unknown; "" if they are known.
    """

    index: int
    name: str
    formats: tuple[CameraFormat, ...] = ()
    problem: str = ""


def list_cameras() -> list[CameraInfo]:
    """Returns the cameras of this computer by number.

    On Linux the system lists them; elsewhere numbers 0 to 9 are opened one after another.
    """
    if sys.platform.startswith("linux"):
        return list(linux_cameras())
    return list(probed_cameras())


def linux_cameras(system: Path = SYSTEM_FOLDER, devices: Path = DEVICES) -> Iterator[CameraInfo]:
    """Yields the cameras that Linux lists.

    Args:
        system: Folder in which the system lists the names of cameras.
        devices: Folder of the device nodes.
    """
    from tracker.sources.live.v4l2 import camera_formats, captures_video, open_node

    for index, name in cameras_by_number(system).items():
        node = devices / f"video{index}"
        try:
            handle = open_node(node)
        except OSError as error:
            yield CameraInfo(index, name, problem=_problem(node, error))
            continue
        try:
            if captures_video(handle):
                formats = camera_formats(handle)
                problem = "" if formats else "its driver lists no formats"
                yield CameraInfo(index, name, formats, problem)
        except OSError as error:
            yield CameraInfo(index, name, problem=_problem(node, error))
        finally:
            os.close(handle)


def probed_cameras(
    probe: "Callable[[int], CameraFormat | None] | None" = None,
) -> Iterator[CameraInfo]:
    """Yields the cameras that open, of the numbers 0 to 9; the first gap ends the search.

    Args:
        probe: Returns the format of a camera by its number; `None` if there is none.
    """
    probe = probe or opened_format
    for index in range(LAST_INDEX + 1):
        found = probe(index)
        if found is None and index:
            return
        if found is not None:
            yield CameraInfo(index, "", (found,))


def opened_format(index: int) -> CameraFormat | None:
    """Returns the format in which OpenCV opens a camera; `None` if there is none."""
    from tracker.errors import SourceError
    from tracker.sources.live.camera import Camera

    try:
        with Camera(index) as camera:
            info = camera.info
            return CameraFormat("", info.width, info.height, (info.fps,))
    except SourceError:
        return None


def _problem(node: Path, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"no permission for {node}: add yourself to the group 'video' and log in again"
    return f"{node}: {error.strerror or error}"
