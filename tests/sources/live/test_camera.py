"""Cameras, with a scripted device in place of a real one."""

import logging
import sys
import threading
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tracker.errors import SourceError
from tracker.frames import Reconnecting
from tracker.sources.live.camera import Camera, _hint
from tracker.sources.live.settings import LiveSettings, Reconnect
from tracker.util.opencv import cv2

FAST = LiveSettings(reconnect=Reconnect(attempts=3, first_s=0.01, longest_s=0.01))


class ScriptedCapture:
    """A device that delivers the given frames and then fails for ever."""

    def __init__(
        self,
        frames: Sequence[np.ndarray | None],
        *,
        fps: float = 25.0,
        opened: bool = True,
    ) -> None:
        self._images = iter(frames)
        self._fps = fps
        self._opened = opened
        self.released = 0

    def __call__(self, index: int) -> "ScriptedCapture":
        return self

    def isOpened(self) -> bool:  # noqa: N802
        return self._opened

    def grab(self) -> bool:
        self._image = next(self._images, None)
        return self._image is not None

    def retrieve(self) -> tuple[bool, np.ndarray | None]:
        return True, self._image

    def get(self, propId: int, /) -> float:  # noqa: N803
        return self._fps if propId == cv2.CAP_PROP_FPS else 0.0

    def release(self) -> None:
        self.released += 1


class EndlessCapture(ScriptedCapture):
    """A device that never stops."""

    def grab(self) -> bool:
        self._image = bgr(0)
        return True


def bgr(value: int, size: tuple[int, int] = (4, 6)) -> np.ndarray:
    """A frame (BGR) whose blue is `value`, green 100 and red 200."""
    image = np.empty((*size, 3), np.uint8)
    image[:] = (value, 100, 200)
    return image


def test_a_camera_that_fails_after_its_first_frame() -> None:
    device = ScriptedCapture([bgr(0)])
    with (
        Camera(3, open_capture=device) as camera,
        pytest.raises(SourceError, match="camera 3: del"),
    ):
        list(camera)
    assert device.released == 1


def test_frames_are_rgb_numbered_and_timed() -> None:
    device = ScriptedCapture([bgr(0), bgr(1), bgr(2), bgr(3)])
    with Camera(0, open_capture=device) as camera:
        assert camera.info.is_live
        assert (camera.info.width, camera.info.height) == (6, 4)
        assert camera.info.fps == 25
        assert camera.info.time_base == Fraction(1, 1_000_000)
        assert camera.info.frame_count is None
        assert camera.info.source == "0"
        frames = [frame for _, frame in zip(range(3), camera, strict=False)]
    assert [f.index for f in frames] == [0, 1, 2]
    assert [tuple(f.image[0, 0]) for f in frames] == [(200, 100, v) for v in (1, 2, 3)]
    assert frames[0].time_s == 0
    assert frames[0].time_s <= frames[1].time_s <= frames[2].time_s
    assert all(f.wall_time_s is not None and f.wall_time_s > 1.7e9 for f in frames)
    ticks = [f.time_s * 1_000_000 for f in frames]
    assert ticks == pytest.approx([round(t) for t in ticks], abs=1e-6)


def test_single_failures_are_counted_and_leave_a_gap() -> None:
    device = ScriptedCapture([bgr(0), bgr(1), None, None, bgr(2)])
    with Camera(0, open_capture=device) as camera:
        frames = [frame for _, frame in zip(range(2), camera, strict=False)]
        assert camera.skipped == 2
    assert [f.index for f in frames] == [0, 3]


@pytest.mark.parametrize(
    ("reported", "fps"),
    [
        (29.97002997, Fraction(30000, 1001)),
        (7.5, Fraction(15, 2)),
        (0.0, Fraction(30)),
        (-1.0, Fraction(30)),
        (float("nan"), Fraction(30)),
        (90_000.0, Fraction(30)),
    ],
)
def test_the_rate_is_the_device_s_or_30(reported: float, fps: Fraction) -> None:
    with Camera(0, open_capture=ScriptedCapture([bgr(0)], fps=reported)) as camera:
        assert camera.info.fps == fps


def test_grey_cameras_become_rgb() -> None:
    grey = np.full((4, 6), 77, np.uint8)
    with Camera(0, open_capture=ScriptedCapture([grey, grey])) as camera:
        assert np.array_equal(next(iter(camera)).image, np.full((4, 6, 3), 77))


def test_closing_releases_once_also_before_the_first_frame() -> None:
    device = EndlessCapture([])
    camera = Camera(0, open_capture=device)
    camera.close()
    camera.close()
    assert list(camera) == []
    assert device.released == 1


def test_closing_from_another_thread_ends_the_iteration() -> None:
    device = EndlessCapture([])
    camera = Camera(0, open_capture=device)
    begun = threading.Event()

    def consume() -> None:
        for _ in camera:
            begun.set()

    thread = threading.Thread(target=consume)
    thread.start()
    assert begun.wait(5)
    camera.close()
    thread.join(5)
    assert not thread.is_alive()
    assert device.released == 1


def test_a_change_of_size_is_an_error() -> None:
    device = ScriptedCapture([bgr(0), bgr(1, (8, 6))])
    with Camera(0, open_capture=device) as camera, pytest.raises(SourceError, match=r"6x8 .* 6x4"):
        list(camera)


def test_a_camera_that_is_not_there() -> None:
    device = ScriptedCapture([], opened=False)
    with pytest.raises(SourceError, match="camera 7: cannot be opened; "):
        Camera(7, open_capture=device)
    assert device.released == 1


def test_a_camera_without_a_frame_is_released() -> None:
    device = ScriptedCapture([])
    with pytest.raises(SourceError, match="camera 0: delivers no frames"):
        Camera(0, open_capture=device)
    assert device.released == 1


def test_a_negative_index() -> None:
    with pytest.raises(SourceError, match="0 or more, got -1"):
        Camera(-1, open_capture=ScriptedCapture([]))


def test_opencv_logs_nothing_about_a_missing_device(
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = cv2.utils.logging.getLogLevel()
    if Path("/dev/video63").exists():
        pytest.skip("camera 63 exists")
    with pytest.raises(SourceError, match="camera 63"):
        Camera(63)
    assert capfd.readouterr().err == ""
    assert cv2.utils.logging.getLogLevel() == before


def test_the_hint_names_the_existing_devices(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("device files are a matter of Linux")
    assert "plug a camera in" in _hint(0, tmp_path)
    for name in ("video10", "video2", "video-loop"):
        (tmp_path / name).touch()
    assert f"found {tmp_path}/video2, {tmp_path}/video10" in _hint(0, tmp_path)
    assert "is in use" in _hint(2, tmp_path)


class Replugged:
    """A camera that is another device each time it is opened."""

    def __init__(self, *devices: ScriptedCapture) -> None:
        self._devices = iter(devices)
        self.numbers: list[int] = []

    def __call__(self, index: int) -> ScriptedCapture:
        self.numbers.append(index)
        return next(self._devices)


def gone() -> ScriptedCapture:
    return ScriptedCapture([], opened=False)


def test_an_unplugged_camera_is_reconnected(caplog: pytest.LogCaptureFixture) -> None:
    first = ScriptedCapture([bgr(0), bgr(1)])
    silent, second = ScriptedCapture([]), ScriptedCapture([bgr(2), bgr(3)])
    opened = Replugged(first, gone(), silent, second)
    with Camera(0, FAST, open_capture=opened) as camera:
        assert isinstance(camera, Reconnecting)
        frames = [frame for _, frame in zip(range(3), camera, strict=False)]
        assert camera.reconnects == 1
        assert camera.skipped == 3  # the reads that failed before it was given up
    assert [f.image[0, 0, 2] for f in frames] == [1, 2, 3]
    assert [f.index for f in frames] == [0, 4, 5]
    assert frames[1].time_s - frames[0].time_s >= 0.03 * 0.8  # three waits less their jitter
    assert first.released >= 1
    assert second.released == 1
    messages = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert messages[0] == "camera 0: lost: it delivers no frames; waiting for it"
    assert messages[1].startswith("camera 0: back after 0.")
    assert len(messages) == 2


def test_a_camera_that_comes_back_under_another_number_is_found_by_its_name() -> None:
    opened = Replugged(ScriptedCapture([bgr(0), bgr(1)]), ScriptedCapture([bgr(2), bgr(3)]))
    numbers = iter([SourceError("no camera of this name is there"), 7])

    def find() -> int:
        number = next(numbers)
        if isinstance(number, SourceError):
            raise number
        return number

    with Camera(2, FAST, find=find, open_capture=opened) as camera:
        frames = [frame for _, frame in zip(range(2), camera, strict=False)]
    assert [f.image[0, 0, 2] for f in frames] == [1, 2]
    assert opened.numbers == [2, 7]
    assert {f.source for f in frames} == {"2"}


class Undecodable(ScriptedCapture):
    """A device whose second frame its driver cannot decode."""

    reads = 0

    def retrieve(self) -> tuple[bool, np.ndarray | None]:
        self.reads += 1
        if self.reads == 2:
            raise cv2.error("corrupt JPEG")
        return super().retrieve()


def test_a_frame_that_cannot_be_decoded_is_left_out() -> None:
    device = Undecodable([bgr(n) for n in range(4)])
    with Camera(0, open_capture=device) as camera:
        frames = [frame for _, frame in zip(range(2), camera, strict=False)]
        assert camera.skipped == 1
    assert [f.image[0, 0, 2] for f in frames] == [2, 3]
    assert [f.index for f in frames] == [1, 2]


class SlowDecoding(EndlessCapture):
    """A device that takes a while to decode."""

    def retrieve(self) -> tuple[bool, np.ndarray | None]:
        time.sleep(0.05)
        return super().retrieve()


def test_the_age_of_a_frame_includes_its_decoding() -> None:
    with Camera(0, open_capture=SlowDecoding([])) as camera:
        frame = next(iter(camera))
        assert time.monotonic() - (frame.captured_s or 0) >= 0.05


class SlowRelease(EndlessCapture):
    """A device that takes a while to be given back."""

    def release(self) -> None:
        self.releasing.set()
        time.sleep(0.1)
        super().release()

    def __init__(self) -> None:
        super().__init__([])
        self.releasing = threading.Event()


def test_reading_while_the_device_is_released_gives_the_end() -> None:
    device = SlowRelease()
    camera = Camera(0, open_capture=device)
    frames = iter(camera)
    next(frames)
    closing = threading.Thread(target=camera.close)
    closing.start()
    assert device.releasing.wait(5)
    assert list(frames) == []
    closing.join(5)
    assert device.released == 1


def test_attempts_to_reconnect_a_camera_end() -> None:
    opened = Replugged(ScriptedCapture([bgr(0), bgr(1)]), gone(), gone(), gone())
    with (
        Camera(0, FAST, open_capture=opened) as camera,
        pytest.raises(SourceError, match=r"camera 0: lost: .*; 3 attempts to reconnect failed"),
    ):
        list(camera)
    assert camera.reconnects == 0


def test_no_attempts_no_waiting() -> None:
    settings = LiveSettings(reconnect=Reconnect(attempts=0))
    device = ScriptedCapture([bgr(0), bgr(1)])
    with (
        Camera(0, settings, open_capture=device) as camera,
        pytest.raises(SourceError, match="camera 0: delivers no frames"),
    ):
        list(camera)


def test_closing_ends_the_waiting_for_a_camera() -> None:
    settings = LiveSettings(reconnect=Reconnect(first_s=30.0))
    camera = Camera(0, settings, open_capture=ScriptedCapture([bgr(0), bgr(1)]))
    begun = threading.Event()

    def consume() -> None:
        for _ in camera:
            begun.set()

    thread = threading.Thread(target=consume)
    thread.start()
    assert begun.wait(5)
    camera.close()
    thread.join(5)
    assert not thread.is_alive()
