"""`tracker cameras`: the cameras of this computer."""

import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction

from tracker.sources.live.camera_list import CameraInfo
from tracker.util.text import one_line


def camera_lines(cameras: Sequence[CameraInfo]) -> list[str]:
    """Returns a line for each camera, and one for each of its frame sizes below it."""
    lines = []
    for camera in cameras:
        name = one_line(camera.name) or "(no name)"
        lines.append(f"{camera.index}  {name}{': ' if camera.problem else ''}{camera.problem}")
        lines += _format_lines(camera)
    return lines


def no_camera_text(platform: str = sys.platform) -> str:
    """Returns the message for a computer without cameras."""
    if platform.startswith("linux"):
        return (
            "no camera found: /sys/class/video4linux lists none; plug one in (a container gets it "
            "with --device /dev/video0), or name a video file or a stream"
        )
    return (
        "no camera found: neither 0 nor 1 opens; plug one in and allow this program to "
        "use it, or name a video file or a stream"
    )


def _format_lines(camera: CameraInfo) -> Iterator[str]:
    """Yields sizes with their rates; the pixels of all formats of one size are together."""
    sizes: dict[tuple[int, int], tuple[list[str], set[Fraction]]] = {}
    for one in camera.formats:
        pixels, rates = sizes.setdefault((one.width, one.height), ([], set()))
        if one.pixels and one.pixels not in pixels:
            pixels.append(one.pixels)
        rates.update(one.rates)
    for (width, height), (pixels, rates) in sizes.items():
        shown = ", ".join(f"{float(rate):g}" for rate in sorted(rates))
        text = f"   {f'{width}x{height}':>9}"
        if shown:
            text += f"  {shown} fps"
        yield text + (f"  {', '.join(pixels)}" if pixels else "")
