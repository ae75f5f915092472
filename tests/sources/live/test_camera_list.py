"""Cameras of a folder as Linux has it, of a driver in Python, and by opening numbers."""

import errno
import os
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from tests.cli import call
from tracker.cli.cameras import camera_lines, no_camera_text
from tracker.sources.live.camera_list import (
    CameraFormat,
    CameraInfo,
    linux_cameras,
    opened_format,
    probed_cameras,
)
from tracker.sources.live.v4l2 import camera_formats, captures_video

MJPG, YUYV = (struct.unpack("<I", code)[0] for code in (b"MJPG", b"YUYV"))


class Driver:
    """Answers the requests of linux/videodev2.h with structures written by hand."""

    def __init__(
        self,
        modes: dict[int, dict[tuple[int, int], Sequence[tuple[int, int]]]],
        capabilities: int = 0x84200001,
    ) -> None:
        self._modes, self._capabilities = modes, capabilities

    def ioctl(self, handle: int, request: int, data: bytearray) -> int:
        assert len(data) == request >> 16 & 0x3FFF  # the size is part of a request's number
        assert request >> 8 & 0xFF == ord("V")
        {0: self._capability, 2: self._format, 74: self._size, 75: self._interval}[request & 0xFF](
            data
        )
        return 0

    def _capability(self, data: bytearray) -> None:
        # driver, card, bus: 80 bytes; version; capabilities of the device; those of this node.
        struct.pack_into("3I", data, 80, 0, 0x85A00001, self._capabilities)

    def _format(self, data: bytearray) -> None:
        index, kind = struct.unpack_from("2I", data)
        assert kind == 1
        struct.pack_into("I", data, 44, self._entry(list(self._modes), index))

    def _size(self, data: bytearray) -> None:
        index, pixels = struct.unpack_from("2I", data)
        width, height = self._entry(list(self._modes[pixels]), index)
        struct.pack_into("3I", data, 8, 1, width, height)

    def _interval(self, data: bytearray) -> None:
        index, pixels, width, height = struct.unpack_from("4I", data)
        seconds = self._entry(self._modes[pixels][width, height], index)
        struct.pack_into("3I", data, 16, 1, *seconds)

    @staticmethod
    def _entry(entries: Sequence, index: int):
        if index >= len(entries):
            raise OSError(errno.EINVAL, "no more")
        return entries[index]


def test_formats_are_those_of_the_driver() -> None:
    driver = Driver(
        {
            MJPG: {(1280, 720): [(1, 30), (1, 15)], (640, 480): [(1001, 30000)]},
            YUYV: {(640, 480): []},
        }
    )
    assert captures_video(3, driver.ioctl)
    assert camera_formats(3, driver.ioctl) == (
        CameraFormat("MJPG", 1280, 720, (Fraction(15), Fraction(30))),
        CameraFormat("MJPG", 640, 480, (Fraction(30000, 1001),)),
        CameraFormat("YUYV", 640, 480, ()),
    )


def test_a_node_of_metadata_and_a_file_are_no_cameras() -> None:
    assert not captures_video(3, Driver({}, capabilities=0x84A00000).ioctl)
    with open(os.devnull, "rb") as file:
        assert not captures_video(file.fileno())
    assert camera_formats(3, Driver({}).ioctl) == ()


def test_ranges_of_sizes_give_the_largest_and_the_highest_rate() -> None:
    def ioctl(handle: int, request: int, data: bytearray) -> int:
        index = struct.unpack_from("I", data)[0]
        number = request & 0xFF
        if index:
            raise OSError(errno.EINVAL, "no more")
        if number == 2:
            struct.pack_into("I", data, 44, YUYV)
        elif number == 74:  # stepwise: widths 16 to 1920 in steps of 2, heights 16 to 1080
            struct.pack_into("7I", data, 8, 3, 16, 1920, 2, 16, 1080, 2)
        else:  # continuous: 1/60 s to 1 s
            struct.pack_into("7I", data, 16, 2, 1, 60, 1, 1, 1, 1)
        return 0

    assert camera_formats(3, ioctl) == (CameraFormat("YUYV", 1920, 1080, (Fraction(60),)),)


def test_a_driver_that_lists_without_end_and_one_that_fails() -> None:
    def endless(handle: int, request: int, data: bytearray) -> int:
        if request & 0xFF != 2:
            raise OSError(errno.ENOTTY, "not supported")
        return 0

    assert camera_formats(3, endless) == ()

    def broken(handle: int, request: int, data: bytearray) -> int:
        raise OSError(errno.EIO, "broken")

    with pytest.raises(OSError, match="broken"):
        camera_formats(3, broken)


def listed(tmp_path: Path, *names: str) -> tuple[Path, Path]:
    system, devices = tmp_path / "class", tmp_path / "dev"
    devices.mkdir()
    for number, name in enumerate(names):
        folder = system / f"video{number}"
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "index").write_text("0\n")
    return system, devices


@pytest.mark.skipif(os.name != "posix", reason="Linux lists cameras in this way")
def test_linux_lists_names_also_of_cameras_that_do_not_open(tmp_path: Path) -> None:
    system, devices = listed(tmp_path, "HD Webcam", "Capture Card")
    (devices / "video1").write_bytes(b"")  # a file: it opens, and is no camera
    (camera,) = linux_cameras(system, devices)
    assert (camera.index, camera.name, camera.formats) == (0, "HD Webcam", ())
    assert camera.problem == f"{devices / 'video0'}: No such file or directory"
    assert list(linux_cameras(tmp_path / "nothing", devices)) == []


def test_elsewhere_numbers_are_tried_up_to_the_first_gap() -> None:
    found = {0: None, 1: CameraFormat("", 640, 480, (Fraction(30),)), 3: CameraFormat("", 1, 1)}
    tried = []

    def probe(index: int) -> CameraFormat | None:
        tried.append(index)
        return found.get(index)

    # A laptop's camera may be switched off, so a missing 0 is no end.
    assert [camera.index for camera in probed_cameras(probe)] == [1]
    assert tried == [0, 1, 2]


def test_a_number_without_a_camera_has_no_format() -> None:
    assert opened_format(99) is None


def test_lines_of_the_command() -> None:
    webcam = CameraInfo(
        0,
        "HD\x1b[2J Webcam",
        (
            CameraFormat("MJPG", 1280, 720, (Fraction(15), Fraction(30))),
            CameraFormat("YUYV", 1280, 720, (Fraction(10),)),
            CameraFormat("YUYV", 640, 480, (Fraction(30000, 1001),)),
        ),
    )
    refused = CameraInfo(2, "", problem="no permission for /dev/video2")
    assert camera_lines([webcam, refused]) == [
        "0  HD\\x1b[2J Webcam",
        "    1280x720  10, 15, 30 fps  MJPG, YUYV",
        "     640x480  29.97 fps  YUYV",
        "2  (no name): no permission for /dev/video2",
    ]


def test_the_command_without_a_camera(capsys: pytest.CaptureFixture[str]) -> None:
    if Path("/sys/class/video4linux").exists():
        pytest.skip("this computer may have cameras")
    assert call("cameras") == 0
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("no camera found: ")
    assert "video4linux" in no_camera_text("linux")
    assert "neither 0 nor 1" in no_camera_text("darwin")
