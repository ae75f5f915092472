"""RTSP by a real server, `benchmarks/rtsp_server.py`; skipped where GStreamer has none."""

import importlib.util
import logging
import threading
import time
from itertools import islice
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.conftest import write_clip
from tracker.errors import SourceError
from tracker.frames import Frame
from tracker.sources.live.settings import LiveSettings, Reconnect
from tracker.sources.live.stream import NetworkStream

pytestmark = pytest.mark.slow

FPS = 25
COUNT = 50
STEP = 4  # of grey from frame to frame: more than x264 moves a flat one
USER, PASSWORD = "joanna", "s3cret-word"
SETTINGS = LiveSettings(
    stall_s=10.0,
    open_timeout_s=20.0,
    reconnect=Reconnect(attempts=100, first_s=0.05, longest_s=0.2, jitter=0.0),
)


@pytest.fixture(scope="module")
def rtsp() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "rtsp_server.py"
    spec = importlib.util.spec_from_file_location("rtsp_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if module.server_python() is None:
        pytest.skip(f"needs GStreamer's RTSP server: apt-get install {module.DEBIAN}")
    return module


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds whose grey tells the frame."""
    images = [np.full((48, 64, 3), 20 + STEP * n, np.uint8) for n in range(COUNT)]
    return write_clip(tmp_path_factory.mktemp("rtsp") / "grey.mp4", images, fps=FPS)


def place(frame: Frame) -> int:
    """The number in the clip that a frame's grey stands for."""
    return round((int(frame.image[24, 32, 0]) - 20) / STEP)


def check_clock(frames: list[Frame], origin: float) -> None:
    """The frames are neighbours in the camera's time, and none is read before it was shown."""
    first = frames[0]
    assert first.wall_time_s is not None
    shown_by_then = int((first.wall_time_s - origin) * FPS + 0.5)
    number = shown_by_then - (shown_by_then - place(first)) % COUNT
    assert number % FPS == 0  # viewers begin at a key frame, which comes every second
    for later, frame in enumerate(frames, number):
        assert place(frame) == later % COUNT
        assert frame.wall_time_s is not None
        assert frame.wall_time_s > origin + (later - 0.5) / FPS


def with_credentials(address: str, password: str) -> str:
    return address.replace("rtsp://", f"rtsp://{USER}:{password}@")


def masked(address: str) -> str:
    return address.replace("rtsp://", "rtsp://***@")


def test_each_frame_of_a_camera_comes_once_and_not_before_its_time(
    rtsp: ModuleType, clip: Path
) -> None:
    origin = time.time()
    with (
        rtsp.ServerProcess(clip, "--origin", str(origin)) as server,
        NetworkStream(server.address, SETTINGS) as stream,
    ):
        assert stream.info.is_live
        assert (stream.info.width, stream.info.height, stream.info.fps) == (64, 48, FPS)
        frames = list(islice(stream, COUNT + 10))  # beyond the end, where the clip begins again
    assert [frame.index for frame in frames] == list(range(COUNT + 10))
    check_clock(frames, origin)


@pytest.mark.parametrize("kind", ["basic", "digest"])
def test_a_password_opens_a_stream_and_is_never_shown(
    rtsp: ModuleType, clip: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    words = ("--user", f"{USER}:{PASSWORD}", "--auth", kind)
    with rtsp.ServerProcess(clip, *words) as server:
        with NetworkStream(with_credentials(server.address, PASSWORD), SETTINGS) as stream:
            frame = next(iter(stream))
            assert stream.info.source == frame.source == masked(server.address)
        for address in (server.address, with_credentials(server.address, "wr0ng-word")):
            with pytest.raises(SourceError, match="401") as caught:
                NetworkStream(address, SETTINGS)
            said = str(caught.value)
            assert said.startswith((server.address, masked(server.address)))
            assert not any(word in said for word in (USER, PASSWORD, "wr0ng-word"))
    assert not any(word in caplog.text for word in (USER, PASSWORD, "wr0ng-word"))


def test_a_camera_that_was_away_is_found_again_and_numbers_go_on(
    rtsp: ModuleType, clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    origin, away_s = time.time(), 0.7
    words = ("--user", f"{USER}:{PASSWORD}", "--origin", str(origin))
    with (
        rtsp.ServerProcess(clip, *words) as server,
        rtsp.ServerProcess(clip, *words, "--port", server.port, "--wait") as again,
    ):
        again.wait_until_ready()
        with NetworkStream(with_credentials(server.address, PASSWORD), SETTINGS) as stream:
            frames = iter(stream)
            before = list(islice(frames, 10))
            killed_s = time.time()
            server.kill()
            back = threading.Timer(away_s, again.listen)
            back.start()
            # What was sent before the kill may still be on its way: read beyond that.
            after = list(islice(frames, 60))
            back.join()
            assert stream.reconnects == 1
            assert stream.info.source == masked(server.address)
    both = before + after
    assert [frame.index for frame in both] == list(range(70))
    walls = np.array([frame.wall_time_s for frame in both])
    pause = int(np.argmax(np.diff(walls))) + 1
    assert walls[pause] >= killed_s + away_s
    check_clock(both[:pause], origin)
    check_clock(both[pause:], origin)
    times = np.array([frame.time_s for frame in both])
    assert (np.diff(times) > 0).all()
    assert times[pause] - times[pause - 1] == pytest.approx(
        walls[pause] - walls[pause - 1], abs=0.2
    )
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert [text.startswith(masked(server.address)) for text in warnings] == [True, True]
    assert not any(word in caplog.text for word in (USER, PASSWORD))
