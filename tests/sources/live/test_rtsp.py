"""An RTSP camera whose connection breaks in every way, and what a viewer sees of it."""

import dataclasses
import logging
from itertools import islice
from typing import Any

import numpy as np
import pytest

from tests.rtsp_camera import RtspCamera
from tests.rtsp_proxy import RtspProxy, Script, Then
from tests.sources.clips import LEVELS, level
from tracker.errors import SourceError
from tracker.frames import Frame
from tracker.sources.live.settings import LiveSettings, Reconnect
from tracker.sources.live.stream import NetworkStream

FPS = 40
FAST = LiveSettings(
    stall_s=1.0,
    open_timeout_s=3.0,
    reconnect=Reconnect(attempts=20, first_s=0.02, longest_s=0.1, jitter=0.0),
)
NOISE = np.random.default_rng(0).bytes(3000)


def refusal(status: str, *more: str) -> bytes:
    lines = [f"RTSP/1.0 {status}", "CSeq: {cseq}", *more, "", ""]
    return "\r\n".join(lines).encode()


def numbers(frames: list[Frame]) -> np.ndarray:
    """The camera's frame numbers, which grey levels stand for; they rise from the first one on."""
    greys = np.array([int(frame.image[20, 20, 0]) for frame in frames])
    shown = (greys - level(0) + 1) // 2
    return shown[0] + np.cumsum(np.diff(shown, prepend=shown[0]) % len(LEVELS))


def address(proxy: RtspProxy) -> str:
    return f"rtsp://127.0.0.1:{proxy.port}/stream"


def slow(*values: object) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage().split(": ", 1)[1] for r in caplog.records if r.levelno > logging.INFO]


def test_frames_have_the_times_of_their_stamps() -> None:
    with RtspCamera(fps=FPS) as camera, NetworkStream(camera.address, FAST) as stream:
        frames = list(islice(stream, 40))
    shown = numbers(frames)
    assert (np.diff(shown) == 1).all()
    assert shown[0] % 8 == 0  # the camera's key frames
    assert [f.index for f in frames] == list(range(40))
    assert [f.time_s for f in frames] == pytest.approx([n / FPS for n in range(40)])


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (Script(frames=30), "its server ended it"),
        slow(Script(frames=30, then=Then.RESET), "its server ended it"),
        slow(Script(frames=30, away_s=0.5), "its server ended it"),
        slow(Script(frames=30, then=Then.STALL), "no frame within 1 s"),
    ],
    ids=["closes", "resets within a frame", "is away", "stalls"],
)
def test_after_a_loss_numbers_rise_by_one_and_times_by_the_camera_s_clock(
    script: Script, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        RtspCamera(fps=FPS) as camera,
        RtspProxy(camera.port, script, Script()) as proxy,
        NetworkStream(address(proxy), FAST) as stream,
    ):
        frames = list(islice(stream, 60))
        assert stream.reconnects == 1
    shown = numbers(frames)
    assert [f.index for f in frames] == list(range(60))
    at = int(np.argmax(np.diff(shown)))
    assert 28 <= at + 1 <= 30  # what had arrived, but for what the decoder was still waiting for
    assert (np.diff(shown) >= 1).all()
    assert np.count_nonzero(np.diff(shown) > 1) == 1
    times = np.array([f.time_s for f in frames])
    assert (np.diff(times) > 0).all()
    # Packets that waited while the stream was opened again are not taken for later ones.
    gap_s = times[at + 1] - times[at]
    assert gap_s == pytest.approx((shown[at + 1] - shown[at]) / FPS, abs=0.2)
    lost, back = messages(caplog)
    assert lost == f"lost: {reason}; reconnecting"
    assert back.startswith("back after ")


@pytest.mark.parametrize("method", ["DESCRIBE", slow("SETUP"), slow("PLAY")])
def test_attempts_that_are_refused_closed_or_answered_with_noise_are_repeated(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = dataclasses.replace(FAST, open_timeout_s=1.0)
    failing = [
        Script(answers={method: answer})
        for answer in (refusal("453 Not Enough Bandwidth"), b"", NOISE)
    ]
    with (
        RtspCamera(fps=FPS) as camera,
        RtspProxy(camera.port, Script(frames=30), *failing, Script()) as proxy,
        NetworkStream(address(proxy), settings) as stream,
    ):
        frames = list(islice(stream, 40))
        assert len(proxy.frames) == 5
        assert stream.reconnects == 1
    assert [f.index for f in frames] == list(range(40))
    assert [message.partition(" ")[0] for message in messages(caplog)] == ["lost:", "back"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            Script({"DESCRIBE": refusal("401 Unauthorized", 'WWW-Authenticate: Basic realm="x"')}),
            r"user and password are missing or wrong \(401\); write them",
        ),
        (Script({"DESCRIBE": refusal("404 Not Found")}), r"nothing is there \(404\)"),
        (
            Script({"SETUP": refusal("453 Not Enough Bandwidth")}),
            r"its server refuses the request \(4xx\); it may have too many viewers \(453\)",
        ),
        (
            Script({"SETUP": refusal("461 Unsupported Transport")}),
            r"does not send by this transport \(461\); try --set source\.live\.rtsp_transport=udp",
        ),
        (Script({"PLAY": refusal("503 Service Unavailable")}), r"its server failed \(5xx\)"),
        (Script({"OPTIONS": b""}), "expected an RTSP server, got another answer or the end"),
        (Script({"DESCRIBE": b""}), "expected an RTSP server, got another answer or the end"),
        (Script({"SETUP": b""}), "expected an RTSP server, got another answer or the end"),
        (Script({"PLAY": b""}), "expected an RTSP server, got another answer or the end"),
        (
            Script({"OPTIONS": b"HTTP/1.1 400 Bad Request\r\n\r\n"}, closes=True),
            "expected an RTSP server, got another answer or the end",
        ),
        (Script({"OPTIONS": NOISE}), r"no answer within 0\.5 s"),
    ],
)
def test_a_first_connection_that_is_refused_is_one_line(script: Script, message: str) -> None:
    waits_s = 0.5 if "0\\.5 s" in message else 10.0
    settings = dataclasses.replace(FAST, open_timeout_s=waits_s)
    with (
        RtspCamera() as camera,
        RtspProxy(camera.port, script) as proxy,
        pytest.raises(SourceError, match=message) as caught,
    ):
        NetworkStream(address(proxy).replace("//", "//me:geheim@"), settings)
    assert str(caught.value).startswith(f"rtsp://***@127.0.0.1:{proxy.port}/stream: ")
    assert "\n" not in str(caught.value)


def test_bits_that_flip_change_neither_numbers_nor_times() -> None:
    with (
        RtspCamera(fps=FPS) as camera,
        RtspProxy(camera.port, Script(flips=0.1)) as proxy,
        NetworkStream(address(proxy), FAST) as stream,
    ):
        frames = list(islice(stream, 80))
    assert [f.index for f in frames] == list(range(80))
    steps = np.diff([f.time_s for f in frames]) * FPS
    assert (steps > 0).all()
    assert steps == pytest.approx(steps.round())
    assert frames[-1].image.shape == (48, 64, 3)


def test_another_resolution_after_a_loss_is_one_line() -> None:
    with (
        RtspCamera(fps=FPS) as camera,
        RtspCamera(fps=FPS, size=(80, 64)) as other,
        RtspProxy(camera.port, Script(frames=20), Script(port=other.port)) as proxy,
        NetworkStream(address(proxy), FAST) as stream,
        pytest.raises(SourceError, match=r"is 80x64 where the first one was 64x48: its settings"),
    ):
        list(stream)
