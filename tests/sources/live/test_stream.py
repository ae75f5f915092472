"""Network streams: frames, losses, reconnection, and errors."""

import dataclasses
import logging
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from tests.sources.clips import TOLERANCE, grey_frame, level, write_clip, write_with_sound
from tests.stream_server import (
    SIZE,
    FolderServer,
    MjpegServer,
    Script,
    TsServer,
    free_udp_port,
)
from tracker.errors import ConfigError, SourceError
from tracker.frames import Frame, Reconnecting
from tracker.sources.files.video_file import VideoFile
from tracker.sources.live.settings import LiveSettings, Reconnect
from tracker.sources.live.stream import NetworkStream

FAST = LiveSettings(
    stall_s=3.0,
    open_timeout_s=3.0,
    reconnect=Reconnect(attempts=20, first_s=0.02, longest_s=0.1, jitter=0.0),
)
QUIET = LiveSettings(stall_s=2.0, open_timeout_s=3.0, reconnect=Reconnect(attempts=0))


def levels(frames: list[Frame]) -> list[int]:
    """The numbers that grey levels stand for; the way through YUV takes 0 or 1 from a level."""
    return [(int(frame.image[20, 20, 0]) - level(0) + 1) // 2 for frame in frames]


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@contextmanager
def consumed(stream: NetworkStream) -> Iterator[tuple[threading.Event, threading.Thread]]:
    """A thread that iterates, and an event that it sets with the first frame."""
    begun = threading.Event()

    def consume() -> None:
        for _ in stream:
            begun.set()

    thread = threading.Thread(target=consume)
    thread.start()
    yield begun, thread
    thread.join(5)
    assert not thread.is_alive()


# --- what comes ---


def test_an_mjpeg_camera_is_numbered_stamped_and_timed_by_arrival() -> None:
    before_s, before_wall_s = time.monotonic(), time.time()
    with MjpegServer() as server, NetworkStream(server.address, FAST) as stream:
        info = stream.info
        assert (info.width, info.height, info.is_live) == (*SIZE, True)
        assert (info.source, info.frame_count) == (server.address, None)
        frames = list(islice(stream, 30))
        assert isinstance(stream, Reconnecting)
        assert (stream.reconnects, stream.skipped) == (0, 0)
    after_s, after_wall_s = time.monotonic(), time.time()
    assert [f.index for f in frames] == list(range(30))
    assert levels(frames) == list(range(30))
    assert frames[0].source == server.address
    captured = [f.captured_s or 0 for f in frames]
    assert before_s <= captured[0] <= captured[-1] <= after_s
    assert all(before_wall_s <= (f.wall_time_s or 0) <= after_wall_s for f in frames)
    # A hundred frames a second, though FFmpeg believes that MJPEG has 25.
    assert frames[-1].time_s == pytest.approx(captured[-1] - captured[0], abs=0.001)
    assert frames[-1].time_s < 29 / 25


def test_an_interrupted_iteration_continues() -> None:
    with MjpegServer() as server, NetworkStream(server.address, FAST) as stream:
        first = list(islice(stream, 3))
        second = list(islice(stream, 3))
    assert [f.index for f in first + second] == list(range(6))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.slow
def test_transport_streams_have_the_time_of_their_stamps(transport: str) -> None:
    server = TsServer(udp_port=free_udp_port() if transport == "udp" else None)
    with server, NetworkStream(server.address, FAST) as stream:
        assert stream.info.fps == 50
        assert stream.info.time_base == Fraction(1, 90_000)
        frames = list(islice(stream, 40))
        assert stream.skipped == 0
    assert [f.index for f in frames] == list(range(40))
    assert [f.time_s for f in frames] == pytest.approx([n / 50 for n in range(40)])
    sent = levels(frames)
    assert sent == list(range(sent[0], sent[0] + 40))
    assert sent[0] % 10 == 0  # the sender's keyframes
    for frame, number in zip(frames, sent, strict=True):
        error = np.abs(frame.image.astype(int) - level(number))
        assert error.max() <= TOLERANCE


def test_a_reader_that_waits_loses_nothing_that_tcp_can_hold_back() -> None:
    with TsServer() as server, NetworkStream(server.address, FAST) as stream:
        frames = list(islice(stream, 5))
        time.sleep(0.3)  # the pipeline is busy; longer than nothing, shorter than what TCP buffers
        frames += islice(stream, 30)
    assert levels(frames) == list(range(35))


# --- losses ---


@pytest.mark.parametrize("then", ["ends", "cut", "stalls"])
@pytest.mark.slow
def test_a_lost_stream_is_reconnected(then: str, caplog: pytest.LogCaptureFixture) -> None:
    settings = dataclasses.replace(FAST, stall_s=0.5) if then == "stalls" else FAST
    with (
        MjpegServer(Script(frames=10, then=then), Script(status=503), Script()) as server,
        NetworkStream(server.address, settings) as stream,
    ):
        frames = list(islice(stream, 20))
        assert stream.reconnects == 1
        assert stream.skipped == (1 if then == "cut" else 0)
    assert levels(frames) == [*range(10), *range(10)]
    assert [f.index for f in frames] == list(range(20))
    gap_s = (frames[10].captured_s or 0) - (frames[9].captured_s or 0)
    assert gap_s >= 0.02 + (0.5 if then == "stalls" else 0)  # one attempt at once, one later
    assert frames[10].time_s - frames[9].time_s == pytest.approx(gap_s, abs=0.001)
    lost, back = messages(caplog)
    assert lost.startswith(f"{server.address}: lost: ")
    assert lost.endswith("; reconnecting")
    assert back == f"{server.address}: back after {gap_s:.1f} s without frames"


@pytest.mark.slow
def test_stamps_that_begin_anew_go_on_by_the_real_gap() -> None:
    with TsServer(first=1000) as server:
        stream = NetworkStream(server.address, FAST)
        frames = list(islice(stream, 10))
    again = TsServer(first=0)
    again.port = server.port
    with again, stream:
        frames += islice(stream, 40)
    first_new = next(
        n for n in range(1, 50) if levels(frames[n : n + 1]) < levels(frames[n - 1 : n])
    )
    gap_s = (frames[first_new].captured_s or 0) - (frames[first_new - 1].captured_s or 0)
    steps = np.diff([f.time_s for f in frames])
    assert steps[first_new - 1] == pytest.approx(gap_s, abs=0.001)
    assert np.delete(steps, first_new - 1) == pytest.approx(0.02)
    assert stream.reconnects == 1


def test_a_server_that_starts_again_on_its_port_is_found(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = MjpegServer()
    server.start()
    with NetworkStream(server.address, FAST) as stream:
        frames = list(islice(stream, 5))
        server.stop()
        timer = threading.Timer(0.2, server.start)
        timer.start()
        while not stream.reconnects:
            frames += islice(stream, 1)
        timer.join()
    server.stop()
    assert levels(frames[-1:]) == [0]
    assert frames[-1].time_s - frames[-2].time_s >= 0.15
    assert len(messages(caplog)) == 2


@pytest.mark.parametrize(("count", "told"), [(1, "1 attempt"), (2, "2 attempts")])
def test_attempts_are_used_up(count: int, told: str) -> None:
    few = LiveSettings(reconnect=Reconnect(attempts=count, first_s=0.01, longest_s=0.01))
    with (
        MjpegServer(Script(frames=3), Script(status=404)) as server,
        NetworkStream(server.address, few) as stream,
        pytest.raises(SourceError) as caught,
    ):
        list(stream)
    assert len(server.requests) == 1 + count
    assert str(caught.value) == (
        f"{server.address}: lost: nothing is there (404); {told} to reconnect failed; allow "
        "more with --set source.live.reconnect.attempts=NUMBER"
    )


def test_without_attempts_a_loss_is_the_end(caplog: pytest.LogCaptureFixture) -> None:
    with (
        MjpegServer(Script(frames=3)) as server,
        NetworkStream(server.address, QUIET) as stream,
        pytest.raises(SourceError, match=r"lost: .*; no attempt to reconnect is allowed"),
    ):
        list(stream)
    assert messages(caplog) == []


def test_damaged_frames_are_left_out_and_counted() -> None:
    script = Script(damaged=frozenset({3, 4, 8}))
    with MjpegServer(script) as server, NetworkStream(server.address, FAST) as stream:
        frames = list(islice(stream, 8))
        assert stream.skipped == 3
        assert stream.reconnects == 0
    assert levels(frames) == [0, 1, 2, 5, 6, 7, 9, 10]
    assert [f.index for f in frames] == list(range(8))


def test_another_size_after_a_reconnection_stops() -> None:
    with (
        MjpegServer(Script(frames=3), Script(size=(80, 60))) as server,
        NetworkStream(server.address, FAST) as stream,
        pytest.raises(SourceError, match=r"frame 3 is 80x60 where the first one was 64x48: its"),
    ):
        list(stream)


def test_a_size_that_was_damaged_for_a_while_is_left_out_and_counted() -> None:
    script = Script(other_size=range(4, 7))
    with MjpegServer(script) as server, NetworkStream(server.address, FAST) as stream:
        frames = list(islice(stream, 8))
        assert (stream.skipped, stream.reconnects) == (3, 0)
    assert levels(frames) == [0, 1, 2, 3, 7, 8, 9, 10]
    assert [f.index for f in frames] == list(range(8))


def test_a_size_that_stays_another_one_is_an_error() -> None:
    settings = dataclasses.replace(FAST, stall_s=0.3)
    with (
        MjpegServer(Script(other_size=range(4, 10_000))) as server,
        NetworkStream(server.address, settings) as stream,
        pytest.raises(SourceError, match=r"frame 4 is 80x60 where the first one was 64x48: its"),
    ):
        list(stream)


# --- closing ---


@pytest.mark.parametrize("then", ["ends", "stalls"])
def test_closing_ends_a_blocked_iteration_at_once(then: str) -> None:
    patient = LiveSettings(stall_s=8.0, reconnect=Reconnect(first_s=30.0))
    with MjpegServer(Script(frames=5, then=then)) as server:
        stream = NetworkStream(server.address, patient)
        with consumed(stream) as (begun, thread):
            assert begun.wait(5)
            time.sleep(0.1)  # into the stall, or the wait before the first attempt
            start = time.monotonic()
            stream.close()
            thread.join(5)
            assert time.monotonic() - start < 4.0
        stream.close()
        assert list(stream) == []


def test_closing_before_the_first_frame() -> None:
    with MjpegServer() as server:
        stream = NetworkStream(server.address, FAST)
        stream.close()
        assert list(stream) == []


# --- errors ---


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (Script(status=401), r"user and password are missing or wrong \(401\); write them"),
        (Script(status=403), r"access is forbidden \(403\)"),
        (Script(status=404), r"nothing is there \(404\); check the path"),
        (Script(status=500), "its server answers 500 Internal Server Error"),
        (Script(content=b"<html>camera</html>" * 99), "expected a video, got a web page"),
        (Script(content=b""), "its answer ended before a video began"),
    ],
)
def test_a_first_open_that_fails_is_an_error_at_once(script: Script, message: str) -> None:
    with MjpegServer(script) as server:
        address = server.address.replace("//", "//me:geheim@")
        with pytest.raises(SourceError, match=message) as caught:
            NetworkStream(address, FAST)
    told = "".join(traceback.format_exception(caught.value))
    assert str(caught.value).startswith(server.address.replace("//", "//***@") + ": ")
    assert "geheim" not in told
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://me:geheim@127.0.0.1:1/x", "connection refused; check the port"),
        ("rtsp://me:geheim@127.0.0.1:1/x", "connection refused"),
        ("tcp://127.0.0.1:1", "connection refused"),
        ("http://me:geheim@no-such-host.invalid/x", "no such host"),
        ("rtps://me:geheim@host/x", "did you mean 'rtsps'"),
        ("in.mp4", "in.mp4: expected the address of a stream"),
    ],
)
def test_addresses_without_a_server_or_file(address: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        NetworkStream(address, FAST)
    assert "geheim" not in "".join(traceback.format_exception(caught.value))


def test_a_protocol_that_this_ffmpeg_lacks() -> None:
    address = "srt://127.0.0.1:99?passphrase=geheim"
    try:
        av.open(address, timeout=0.1)
    except av.error.ProtocolNotFoundError:
        pass
    except av.FFmpegError:
        pytest.skip("this FFmpeg has SRT")
    with pytest.raises(
        SourceError, match=r"99\?passphrase=\*\*\*: .*no such protocol; pipe it from"
    ):
        NetworkStream(address, FAST)


def test_a_silent_server_is_a_timeout() -> None:
    settings = LiveSettings(open_timeout_s=0.2, stall_s=0.2)
    with (
        MjpegServer(Script(frames=0, then="stalls")) as server,
        pytest.raises(SourceError, match=r"no answer within 0\.2 s; .*open_timeout_s=SECONDS"),
    ):
        NetworkStream(server.address, settings)


def test_sound_alone_is_no_frame(tmp_path: Path) -> None:
    write_with_sound(tmp_path / "a.mp4", frames=0)
    with (
        FolderServer(tmp_path) as server,
        pytest.raises(SourceError, match=r"a\.mp4: expected a video stream, got only audio"),
    ):
        NetworkStream(server.address("a.mp4"), FAST)


def test_a_live_stream_has_no_start_and_no_stride() -> None:
    for arguments in ({"start_s": 1.0}, {"stride": 2}):
        with MjpegServer() as server, pytest.raises(ConfigError, match="got a live stream"):
            NetworkStream(server.address, FAST, **arguments)  # type: ignore[arg-type]


def test_user_and_password_are_sent_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    script = Script(frames=3, user="me:p@ss:w/rd")
    with MjpegServer(script) as server:
        address = server.address.replace("//", "//me:p%40ss%3Aw%2Frd@")
        with NetworkStream(address, FAST) as stream:
            frame = next(islice(stream, 5, 6))
    shown = server.address.replace("//", "//***@")
    assert (frame.source, stream.info.source) == (shown, shown)
    assert stream.reconnects >= 1
    assert "p%40ss" not in caplog.text


# --- files behind an address ---


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mkv", "a.h264"])
@pytest.mark.parametrize("start_s", [0.0, 1.0])
def test_a_file_is_read_whole_as_from_disk(tmp_path: Path, name: str, start_s: float) -> None:
    path = write_clip(tmp_path / name, count=40)
    with VideoFile(path, start_s=start_s, stride=3) as video:
        expected = list(video)
    with FolderServer(tmp_path) as server:
        address = server.address(name, "me:geheim@")
        with NetworkStream(address, FAST, start_s=start_s, stride=3) as stream:
            assert not stream.info.is_live
            assert stream.info.frame_count == video.info.frame_count
            assert stream.info.source == server.address(name, "***@")
            frames = list(stream)
            assert (stream.reconnects, stream.skipped) == (0, 0)
    assert [f.index for f in frames] == [f.index for f in expected]
    assert [f.time_s for f in frames] == [f.time_s for f in expected]
    assert levels(frames) == levels(expected)
    assert all(f.captured_s is None and f.wall_time_s is None for f in frames)


def test_the_sound_of_a_file_behind_an_address_is_left_out(tmp_path: Path) -> None:
    write_with_sound(tmp_path / "a.mp4", frames=12)
    with FolderServer(tmp_path) as server, NetworkStream(server.address("a.mp4"), FAST) as stream:
        assert stream.info.audio_path is None
        assert len(list(stream)) == 12


def test_a_file_goes_on_where_its_connection_broke(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", count=100, faststart=True)
    cut_at = path.stat().st_size * 2 // 3
    with (
        FolderServer(tmp_path, cut=(3, cut_at)) as server,
        NetworkStream(server.address("a.mp4"), FAST) as stream,
    ):
        frames = list(stream)
        assert stream.skipped == 0
        assert len(server.requests) == 4  # looked at, opened, read, and read on
    assert levels(frames) == [n % 104 for n in range(100)]


def test_a_file_whose_server_goes_away_is_an_error_without_the_password(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for index in range(60):
            frame = grey_frame(level(index), (640, 480))
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
    server = FolderServer(tmp_path)
    server.start()
    settings = LiveSettings(stall_s=0.5)
    with NetworkStream(server.address("a.mkv", "me:geheim@"), settings) as video:
        frames = iter(video)
        next(frames)
        server.stop()
        with pytest.raises(SourceError, match=r"\*\*\*@127.* reading failed: ") as caught:
            list(frames)
    assert "geheim" not in "".join(traceback.format_exception(caught.value))


# --- HLS ---


def write_hls(folder: Path, *, seconds: int) -> Path:
    path = folder / "video.m3u8"
    options = {"hls_time": "1", "hls_list_size": "0"}
    with av.open(str(path), "w", format="hls", options=options) as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "10", "bf": "0"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = 25
        for index in range(25 * seconds):
            frame = grey_frame(level(index), SIZE)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_playlist_with_an_end_is_a_file(tmp_path: Path) -> None:
    write_hls(tmp_path, seconds=3)
    with (
        FolderServer(tmp_path) as server,
        NetworkStream(server.address("video.m3u8"), FAST) as stream,
    ):
        assert not stream.info.is_live
        frames = list(stream)
    assert levels(frames) == list(range(75))
    assert [f.time_s for f in frames] == pytest.approx([n / 25 for n in range(75)])


@pytest.mark.slow
def test_a_live_playlist_comes_in_the_pace_of_its_stamps(tmp_path: Path) -> None:
    path = write_hls(tmp_path, seconds=2)
    path.write_text(path.read_text("utf-8").replace("#EXT-X-ENDLIST\n", ""), "utf-8")
    with (
        FolderServer(tmp_path) as server,
        NetworkStream(server.address("video.m3u8"), FAST) as stream,
    ):
        assert stream.info.is_live
        frames = list(islice(stream, 40))
    assert levels(frames) == list(range(40))
    captured = [f.captured_s or 0 for f in frames]
    # A server gives a piece of one second at once; the frames come 40 ms apart.
    assert captured[-1] - captured[0] >= 39 / 25 - 0.02
    assert max(np.diff(captured)) < 0.9


@pytest.mark.slow
def test_a_live_playlist_that_gets_its_end_is_not_begun_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_hls(tmp_path, seconds=2)
    ended = path.read_text("utf-8")
    path.write_text(ended.replace("#EXT-X-ENDLIST\n", ""), "utf-8")
    with (
        FolderServer(tmp_path) as server,
        NetworkStream(server.address("video.m3u8"), FAST) as stream,
    ):
        frames = list(islice(stream, 10))
        path.write_text(ended, "utf-8")
        frames += stream
        assert stream.reconnects == 0
    assert levels(frames) == list(range(50))
    assert "ended: its server now has it as a recording" in caplog.text
