"""Ending a run while its source is silent: without delay and without remaining threads."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import numpy as np
import pytest

import tracker
from tests.conftest import moving_square, write_clip
from tests.fakes import HangingSource, one_walker
from tests.sources.test_pipe import piped
from tracker.config.run import Config, overlay
from tracker.errors import SourceError
from tracker.frames import Source
from tracker.pipeline.frame_loop import SourceResult
from tracker.pipeline.multi import MultiPipeline, StageFactories
from tracker.pipeline.single import Pipeline
from tracker.sources.live.camera import Camera
from tracker.sources.live.settings import LiveSettings, Reconnect
from tracker.sources.live.stream import NetworkStream
from tracker.sources.pipe import Pipe
from tracker.testing import ScriptedDetector, ScriptedSource
from tracker.tracking.deepsort import DeepSort

SOON_S = 3.0
"""Limit for "within a second" on a busy machine."""

SETTINGS = LiveSettings(stall_s=3.0, reconnect=Reconnect(attempts=0))


def pipeline() -> Pipeline:
    return Pipeline(detector=ScriptedDetector(one_walker), tracker=DeepSort())


def our_threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("tracker-") or "_run_task" in name]


@contextmanager
def left_soon() -> Iterator[None]:
    begun_s = time.monotonic()
    yield
    assert time.monotonic() - begun_s < SOON_S


def wait_until_silent(source: Source) -> None:
    """Waits until the reader has taken all frames and blocks in its source."""
    time.sleep(0.3)


class StuckSource(ScriptedSource):
    """Delivers two frames and then blocks, also after `close`, like a call into a driver."""

    def __init__(self) -> None:
        self.free = threading.Event()
        super().__init__(3, live=True, before_frame=self._stick)

    def _stick(self, index: int) -> None:
        if index == 2:
            assert self.free.wait(20)


class SilentCapture:
    """An OpenCV camera that delivers three frames and then blocks for ten seconds, as V4L2 does."""

    def __init__(self, free: threading.Event) -> None:
        self._free, self._count = free, 0

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def grab(self) -> bool:
        self._count += 1
        return self._count <= 3 or not self._free.wait(10)

    def retrieve(self) -> tuple[bool, Any]:
        return True, np.zeros((48, 64, 3), np.uint8)

    def get(self, propId: int, /) -> float:  # noqa: N803
        return 25.0

    def release(self) -> None:
        pass


@contextmanager
def silent_server(first: bytes) -> Iterator[str]:
    """A TCP server that sends some bytes to each client and then stays silent."""
    listener = socket.create_server(("127.0.0.1", 0))
    clients: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                clients.append(client)
                client.sendall(first)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for client in clients:
            client.close()
        thread.join(5)


@pytest.fixture(scope="module")
def streamed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("leaving") / "in.ts"
    return write_clip(path, moving_square(100)).read_bytes()


def test_closing_the_iterator_ends_the_reader_of_a_silent_source() -> None:
    source = HangingSource()
    results = pipeline().run(source)
    next(results)
    wait_until_silent(source)
    with left_soon():
        results.close()
    assert our_threads() == []
    assert source.closed


def test_break_leaves_a_delivering_source_open() -> None:
    source = ScriptedSource(100)
    for _ in pipeline().run(source):
        break
    assert our_threads() == []
    assert not source.closed
    assert next(iter(source)).image.shape == (48, 64, 3)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_in_the_loop_ends_the_reader(error: type[BaseException]) -> None:
    source = HangingSource()

    def loop() -> None:
        with closing(pipeline().run(source)) as results:
            for _ in results:
                raise error

    with left_soon(), pytest.raises(error):
        loop()
    assert our_threads() == []


@pytest.mark.slow
def test_a_call_that_does_not_return_is_left_to_a_daemon(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = StuckSource()
    results = pipeline().run(source)
    next(results)
    wait_until_silent(source)
    with left_soon():
        results.close()
    (reader,) = [t for t in threading.enumerate() if t.name == "tracker-read-0"]
    assert reader.daemon
    assert "tracker-read-0 does not end; it is abandoned" in caplog.text
    source.free.set()
    reader.join(5)
    assert our_threads() == []


@pytest.mark.slow
def test_a_camera_whose_driver_is_silent() -> None:
    free = threading.Event()
    camera = Camera(0, open_capture=lambda index: SilentCapture(free))
    results = pipeline().run(camera)
    next(results)
    wait_until_silent(camera)
    with left_soon():
        results.close()
        camera.close()
    free.set()
    for thread in threading.enumerate():
        if thread.name.startswith("tracker-"):
            thread.join(5)
    assert our_threads() == []


def test_many_silent_sources_take_no_longer_than_one() -> None:
    sources = [HangingSource() for _ in range(4)]
    detector = ScriptedDetector(one_walker)
    many = MultiPipeline(StageFactories(detector=lambda: detector, tracker=DeepSort))
    events = many.run(sources)
    assert isinstance(next(events), SourceResult)
    wait_until_silent(sources[0])
    with left_soon():
        events.close()
    assert our_threads() == []


def test_a_pipe_that_is_silent(streamed: bytes) -> None:
    with piped(streamed[: len(streamed) // 2], ends=False) as file:
        pipe = Pipe(file=file)
        results = pipeline().run(pipe)
        next(results)
        wait_until_silent(pipe)
        with left_soon():
            results.close()
            pipe.close()
        assert our_threads() == []


@pytest.mark.slow
def test_a_silent_server_is_a_timeout(streamed: bytes) -> None:
    """FFmpeg reads cannot be interrupted; the thread ends by their timeout."""
    with silent_server(streamed[: len(streamed) // 2]) as address:
        with NetworkStream(address, SETTINGS) as stream:
            results = pipeline().run(stream)
            next(results)
            wait_until_silent(stream)
            with left_soon():
                results.close()
        assert set(our_threads()) <= {"tracker-stream"}
        for thread in threading.enumerate():
            if thread.name == "tracker-stream":
                assert thread.daemon
                thread.join(SETTINGS.stall_s or 0)
        assert our_threads() == []


def one(address: str, config: Config) -> Any:
    return tracker.track(address, config=config)


def several(address: str, config: Config) -> Any:
    return tracker.track_many([address] * 3, config=config)


@pytest.mark.parametrize("call", [one, several])
@pytest.mark.parametrize("how", ["close", "drop"])
@pytest.mark.slow
def test_the_one_call_api(call: Callable[[str, Config], Any], how: str, streamed: bytes) -> None:
    changes = {"detector.name": "motion", "source.live.stall_s": 3.0}
    with silent_server(streamed[: len(streamed) // 2]) as address:
        results = call(address, overlay(Config(), changes))
        next(results)
        time.sleep(0.3)
        with left_soon():
            if how == "close":
                results.close()
            del results
        assert set(our_threads()) <= {"tracker-stream"}
    for thread in threading.enumerate():
        if thread.name == "tracker-stream":
            thread.join(5)
    assert our_threads() == []


def test_server_that_never_answers_is_a_timely_error() -> None:
    settings = LiveSettings(open_timeout_s=0.5, reconnect=Reconnect(attempts=0))
    with silent_server(b"") as address, left_soon():
        with pytest.raises(SourceError, match="answer"):
            NetworkStream(address, settings)
