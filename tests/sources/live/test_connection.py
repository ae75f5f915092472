"""A connection by itself: order, what is lost, how it ends, a bounded queue, closing at any point.

Containers are real: files, files whose bytes run out or fail on the way, and servers on this
machine.
"""

import errno
import io
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.container import InputContainer

from tests.sources.clips import cut, grey_frame, level, write_clip, write_with_sound
from tests.stream_server import MjpegServer, Script
from tracker.sources.files.early_end import bytes_of
from tracker.sources.live.connection import Arrival, Connection, Ended
from tracker.sources.live.stream_errors import BROKEN, ENDED, StreamLostError
from tracker.util.channel import Cancelled

WAIT_S = 10.0
"""More than any answer takes on a busy machine; no test waits for so long."""


def opens(path: Path) -> Callable[[], InputContainer]:
    return lambda: av.open(str(path))


def received(connection: Connection) -> tuple[list[Arrival], Ended]:
    """All arrivals, and the end."""
    arrivals = []
    while isinstance(item := connection.receive(WAIT_S), Arrival):
        arrivals.append(item)
    return arrivals, item


def numbers(arrivals: list[Arrival]) -> list[int]:
    """The frames' numbers, which their grey levels stand for."""
    greys = [int(a.frame.to_ndarray(format="rgb24")[20, 20, 0]) for a in arrivals]
    return [(grey - level(0) + 1) // 2 for grey in greys]


class Bytes(io.RawIOBase):
    """A stream that cannot seek, counts what is read, and may fail after some bytes."""

    def __init__(self, data: bytes, *, fails_at: int | None = None, error: Exception | None = None):
        self._data = io.BytesIO(data)
        self._fails_at = len(data) + 1 if fails_at is None else fails_at
        self._error = error
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        if self._error is not None and self.count >= self._fails_at:
            raise self._error
        data = self._data.read(size)
        self.count += len(data)
        return data

    def seekable(self) -> bool:
        return False

    def readable(self) -> bool:
        return True


def transport_stream(path: Path, count: int = 50) -> bytes:
    return write_clip(path, count=count).read_bytes()


# --- what arrives ---


def test_facts_then_frames_in_order_then_one_end(tmp_path: Path) -> None:
    before_s, before_wall_s = time.monotonic(), time.time()
    connection = Connection("a.mp4", opens(write_clip(tmp_path / "a.mp4", count=30)))
    facts = connection.opened(WAIT_S)
    assert (facts.rate, facts.pixel_aspect, facts.note) == (25, 1, None)
    assert (facts.is_timed, facts.is_finite, facts.is_segmented) == (True, True, False)
    arrivals, end = received(connection)
    assert numbers(arrivals) == list(range(30))
    assert end == Ended(None, 0)
    stamps = [Fraction(a.frame.pts or 0) * facts.time_base for a in arrivals]
    assert stamps == [Fraction(n, 25) for n in range(30)]
    assert all(a.lost == 0 for a in arrivals)
    assert all(before_s <= a.arrived_s <= time.monotonic() for a in arrivals)
    assert all(before_wall_s <= a.arrived_wall_s <= time.time() for a in arrivals)
    late = connection.receive(0.01)  # an end comes once; what is asked for later does not come
    assert isinstance(late, Ended)
    assert str(late.failure).startswith("no frame within 0.01 s; ")
    connection.close()


def test_sound_is_left_out(tmp_path: Path) -> None:
    connection = Connection("a.mp4", opens(write_with_sound(tmp_path / "a.mp4", frames=12)))
    connection.opened(WAIT_S)
    arrivals, end = received(connection)
    assert numbers(arrivals) == list(range(12))
    assert end == Ended(None, 0)
    connection.close()


def test_a_stream_that_is_joined_begins_with_its_next_keyframe(tmp_path: Path) -> None:
    """Keyframes are 0, 12, 24 and so on: a decoder that is fed from 7 on would show grey smears."""
    data = transport_stream(tmp_path / "a.ts")
    middle = Bytes(data[len(data) // 3 // 188 * 188 :])
    connection = Connection("a.ts", lambda: av.open(middle, format="mpegts"))
    connection.opened(WAIT_S)
    arrivals, _ = received(connection)
    first = numbers(arrivals)[0]
    assert first in {12, 24}
    assert numbers(arrivals) == list(range(first, 50))
    connection.close()


def test_lost_frames_are_counted_with_the_next_arrival_or_the_end() -> None:
    with MjpegServer(Script(frames=8, damaged=frozenset({2, 3, 7}))) as server:
        connection = Connection("camera", lambda: av.open(server.address))
        assert not connection.opened(WAIT_S).is_finite
        arrivals, end = received(connection)
        connection.close()
    assert numbers(arrivals) == [0, 1, 4, 5, 6]
    assert [a.lost for a in arrivals] == [0, 0, 2, 0, 0]
    assert end == Ended(BROKEN, lost=1)  # frames by HTTP have no last one


def test_a_truncated_recording_is_reported(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mp4", count=50, faststart=True)
    for path, is_whole in ((whole, True), (cut(whole, tmp_path / "cut.mp4", 0.6), False)):
        with path.open("rb") as file:
            connection = Connection("a.mp4", opens(path), recording=lambda f=file: bytes_of(f))
            connection.opened(WAIT_S)
            arrivals, end = received(connection)
            connection.close()
        assert numbers(arrivals) == list(range(len(arrivals)))
        assert (len(arrivals) == 50, end.failure is None) == (is_whole, is_whole)


# --- a bounded queue ---


def test_no_more_is_read_than_two_frames_ahead(tmp_path: Path) -> None:
    """A file of 2.8 MB, 200 frames without compression: FFmpeg's buffers take some of it."""
    path = tmp_path / "a.nut"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 96, "yuv420p"
        for number in range(200):
            frame = grey_frame(level(number % 100), (96, 96))
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
    data = Bytes(path.read_bytes())
    connection = Connection("a.nut", lambda: av.open(data, format="nut"))
    connection.opened(WAIT_S)
    size, before = path.stat().st_size, -1
    while before != data.count:
        before = data.count
        time.sleep(0.2)
    assert before < 0.4 * size
    arrivals, end = received(connection)
    assert numbers(arrivals) == [n % 100 for n in range(200)]
    assert end == Ended(None, 0)
    assert data.count == size
    connection.close()


# --- what goes wrong ---


def test_failures_to_open(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video " * 100)
    for name, message in (
        ("none.mp4", "no such file"),
        ("text.mp4", "expected a video, got data that FFmpeg cannot read"),
    ):
        connection = Connection(name, opens(tmp_path / name))
        with pytest.raises(StreamLostError, match=message) as caught:
            connection.opened(WAIT_S)
        assert str(tmp_path) not in str(caught.value)
        connection.close()


def test_a_stream_without_frames(tmp_path: Path) -> None:
    path = write_with_sound(tmp_path / "a.mp4", frames=0)
    connection = Connection("camera", opens(path))
    with pytest.raises(StreamLostError, match="video"):
        connection.opened(WAIT_S)
    connection.close()


def test_an_end_before_the_first_frame_is_an_error(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", count=30)

    def opened_at_its_end() -> InputContainer:
        container = av.open(str(path))
        assert sum(packet.size > 0 for packet in container.demux()) == 30
        return container

    connection = Connection("a.mp4", opened_at_its_end)
    connection.opened(WAIT_S)
    with pytest.raises(StreamLostError) as caught:
        connection.first(WAIT_S)
    assert caught.value.failure is ENDED
    connection.close()


def test_reading_that_breaks_off_ends_it_after_the_frames_before(tmp_path: Path) -> None:
    data = transport_stream(tmp_path / "a.ts", count=104)
    error = OSError(errno.EIO, "cable pulled")
    broken = Bytes(data, fails_at=len(data) // 2, error=error)
    connection = Connection("a.ts", lambda: av.open(broken, format="mpegts"))
    connection.opened(WAIT_S)
    arrivals, end = received(connection)
    assert end.failure is BROKEN
    assert 10 < len(arrivals) < 104
    assert numbers(arrivals) == list(range(len(arrivals)))
    connection.close()


def test_an_error_of_the_program_is_raised_once(tmp_path: Path) -> None:
    def fails() -> InputContainer:
        raise ZeroDivisionError("in the opener")

    connection = Connection("camera", fails)
    with pytest.raises(ZeroDivisionError, match="in the opener"):
        connection.opened(WAIT_S)
    with pytest.raises(StreamLostError, match=r"no answer within 0\.01 s"):
        connection.opened(0.01)
    connection.close()

    data = transport_stream(tmp_path / "a.ts", count=104)
    broken = Bytes(data, fails_at=len(data) // 2, error=ZeroDivisionError("while reading"))
    connection = Connection("a.ts", lambda: av.open(broken, format="mpegts"))
    connection.opened(WAIT_S)
    with pytest.raises(ZeroDivisionError, match="while reading"):
        received(connection)
    connection.close()


def test_a_late_answer_is_a_timeout() -> None:
    answer = threading.Event()

    def opened_late() -> InputContainer:
        answer.wait(WAIT_S)
        raise av.error.EOFError(errno.EPIPE, "gone")

    connection = Connection("camera", opened_late)
    with pytest.raises(StreamLostError) as caught:
        connection.opened(0.05)
    assert str(caught.value).startswith("no answer within 0.05 s; ")
    assert "source.live.open_timeout_s" in str(caught.value)
    answer.set()
    connection.close()


# --- closing ---


def closed_while(connection: Connection, waits: Callable[[], object]) -> list[BaseException]:
    """What a thread that waits raises when another one closes the connection."""
    raised: list[BaseException] = []
    begun = threading.Event()

    def wait() -> None:
        begun.set()
        try:
            waits()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    begun.wait()
    connection.close()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    return raised


def test_closing_ends_a_wait_for_the_answer() -> None:
    answer = threading.Event()

    def opened_late() -> InputContainer:
        answer.wait(WAIT_S)
        raise av.error.EOFError(errno.EPIPE, "gone")

    connection = Connection("camera", opened_late)
    (error,) = closed_while(connection, lambda: connection.opened(None))
    answer.set()
    assert isinstance(error, Cancelled)


def test_closing_ends_a_wait_for_a_frame() -> None:
    with MjpegServer(Script(frames=3, then="stalls")) as server:
        connection = Connection("camera", lambda: av.open(server.address))
        connection.opened(WAIT_S)

        def wait() -> None:
            while True:
                connection.receive(None)

        (error,) = closed_while(connection, wait)
    assert isinstance(error, Cancelled)
    with pytest.raises(Cancelled):
        connection.receive(0.0)
    connection.close()  # again


def test_closing_with_frames_in_the_queue_ends_the_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    connection = Connection("a.mp4", opens(write_clip(tmp_path / "a.mp4", count=50)))
    connection.opened(WAIT_S)
    (thread,) = set(threading.enumerate()) - before
    connection.receive(WAIT_S)
    connection.close()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    for ask in (connection.opened, connection.receive, connection.first):
        with pytest.raises(Cancelled):
            ask(None)


def test_two_connections_do_not_mix(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", count=20)
    first, second = (Connection("a.mp4", opens(path)) for _ in range(2))
    for connection in (first, second):
        connection.opened(WAIT_S)
    pairs = [(first.receive(WAIT_S), second.receive(WAIT_S)) for _ in range(20)]
    for index, pair in enumerate(pairs):
        assert numbers([item for item in pair if isinstance(item, Arrival)]) == [index, index]
    first.close()
    assert second.receive(WAIT_S) == Ended(None, 0)
    second.close()
