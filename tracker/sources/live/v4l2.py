"""Formats of a camera on Linux, as its driver lists them (Video for Linux 2).

No stream is opened: a camera that another program uses is listed too.
"""

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

from tracker.sources.live.camera_list import CameraFormat

Ioctl = Callable[[int, int, bytearray], int]
"""`fcntl.ioctl`: changes the bytes in place; raises `OSError`."""

# Request numbers of linux/videodev2.h: direction, size of the structure, 'V', number.
_QUERYCAP = 0x80685600
_ENUM_FMT = 0xC0405602
_ENUM_FRAMESIZES = 0xC02C564A
_ENUM_FRAMEINTERVALS = 0xC034564B
_CAPTURE = 1
"""V4L2_BUF_TYPE_VIDEO_CAPTURE."""
_HAS_CAPTURE = 0x1
"""V4L2_CAP_VIDEO_CAPTURE."""
_DISCRETE = 1
"""A size or interval of its own; others are ranges, of which the first and last are taken."""
_MOST = 64
"""More entries than any driver lists: an end where one never reports its own."""


def captures_video(handle: int, ioctl: Ioctl = fcntl.ioctl) -> bool:
    """Returns whether a device node delivers video; others of a camera deliver metadata.

    Args:
        handle: An open device node.
        ioctl: The system call.
    """
    data = bytearray(104)
    try:
        ioctl(handle, _QUERYCAP, data)
    except OSError:
        return False
    return bool(struct.unpack_from("I", data, 88)[0] & _HAS_CAPTURE)


def camera_formats(handle: int, ioctl: Ioctl = fcntl.ioctl) -> tuple[CameraFormat, ...]:
    """Returns the formats of a camera in the order of its driver, which begins with its default.

    Args:
        handle: An open device node.
        ioctl: The system call.
    """
    found = []
    for pixels in _pixel_formats(handle, ioctl):
        for width, height in _sizes(handle, ioctl, pixels):
            rates = tuple(sorted(set(_rates(handle, ioctl, (pixels, width, height)))))
            found.append(CameraFormat(_letters(pixels), width, height, rates))
    return tuple(found)


def open_node(path: Path) -> int:
    """Returns a handle of a device node that does not wait for frames.

    Raises:
        OSError: It cannot be opened.
    """
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)


def _letters(pixels: int) -> str:
    return struct.pack("<I", pixels).decode("ascii", "replace").strip()


def _entries(ask: Callable[[int], bytearray]) -> Iterator[bytearray]:
    """Yields what a driver lists by index, up to its end."""
    for index in range(_MOST):
        try:
            yield ask(index)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.ENOTTY}:
                raise
            return


def _pixel_formats(handle: int, ioctl: Ioctl) -> Iterator[int]:
    def ask(index: int) -> bytearray:
        data = bytearray(64)
        struct.pack_into("II", data, 0, index, _CAPTURE)
        ioctl(handle, _ENUM_FMT, data)
        return data

    for data in _entries(ask):
        yield struct.unpack_from("I", data, 44)[0]


def _sizes(handle: int, ioctl: Ioctl, pixels: int) -> Iterator[tuple[int, int]]:
    def ask(index: int) -> bytearray:
        data = bytearray(44)
        struct.pack_into("II", data, 0, index, pixels)
        ioctl(handle, _ENUM_FRAMESIZES, data)
        return data

    for data in _entries(ask):
        kind, *sizes = struct.unpack_from("7I", data, 8)
        if kind == _DISCRETE:
            yield sizes[0], sizes[1]
        else:  # least and largest width with step, then those of the height
            yield sizes[1], sizes[4]
            return


def _rates(handle: int, ioctl: Ioctl, size: tuple[int, int, int]) -> Iterator[Fraction]:
    """Yields frames a second; intervals are seconds a frame."""

    def ask(index: int) -> bytearray:
        data = bytearray(52)
        struct.pack_into("4I", data, 0, index, *size)
        ioctl(handle, _ENUM_FRAMEINTERVALS, data)
        return data

    for data in _entries(ask):
        kind, *parts = struct.unpack_from("7I", data, 16)
        # Of a range the shortest interval: the highest rate.
        if parts[0] and parts[1]:
            yield Fraction(parts[1], parts[0])
        if kind != _DISCRETE:
            return
