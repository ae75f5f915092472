"""Cameras are opened; those that fail give a warning and what to do."""

from typing import Any

import numpy as np

from tracker.doctor.cameras import checks_of, opened_names
from tracker.doctor.check import Status
from tracker.sources.live.camera_list import CameraFormat, probed_cameras


class Device:
    """A camera of `cv2.VideoCapture`'s form."""

    def __init__(self, number: int, *, delivers: bool = True) -> None:
        self.is_released = False
        self._delivers = delivers

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def grab(self) -> bool:
        return self._delivers

    def retrieve(self) -> tuple[bool, Any]:
        return True, np.zeros((48, 64, 3), np.uint8)

    def get(self, propId: int, /) -> float:  # noqa: N803
        return 25.0

    def release(self) -> None:
        self.is_released = True


def test_no_camera() -> None:
    (check,) = checks_of({}, Device)
    assert (check.status, check.detail) == (Status.WARNING, "none is connected")


def test_each_camera_is_opened_and_released() -> None:
    devices = [Device(0), Device(2, delivers=False)]
    opened = iter(devices)
    first, second = checks_of({0: "Webcam", 2: "Dead"}, lambda number: next(opened))
    assert first.to_json() == {
        "name": "camera 0",
        "status": "ok",
        "detail": "Webcam: 64x48, 25 frames a second",
        "mend": "",
        "milliseconds": None,
    }
    assert second.status is Status.WARNING
    assert second.detail == "Dead: delivers no frames (3 reads failed)"
    assert second.mend == "Check its cable and that no other program uses it."
    assert all(device.is_released for device in devices)


def test_all_cameras_that_open_are_checked_where_the_system_lists_none() -> None:
    found = probed_cameras(lambda number: CameraFormat("", 64, 48) if number in (0, 1, 3) else None)
    assert list(opened_names(found)) == [0, 1]
    assert opened_names([]) == {0: "the first one"}
