"""Checks whether videos can be encoded and decoded: ten frames with each encoder."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np

from tracker.doctor.check import Check, failure, ok, warning
from tracker.errors import OutputError
from tracker.sinks.encoders import Encoder, add_video_stream
from tracker.sinks.yuv import YuvConverter
from tracker.util.arrays import UInt8Array

VIDEO = "libx264"
"""Encoder of videos and clips."""

SOUND = "aac"
"""Encoder of sound that an output file cannot hold as it is."""

HARDWARE = {
    "h264_nvenc": "an NVIDIA GPU and its driver",
    "h264_vaapi": "an Intel or AMD GPU with /dev/dri/renderD128",
    "h264_qsv": "an Intel GPU with oneVPL or Media SDK",
    "h264_videotoolbox": "macOS",
}
"""Encoders of hardware, with what each needs."""

_FRAMES = 10
_SIDE = (360, 640)
_RATE = 25
# Encoders change grey levels by one or two; a wrong frame differs by at least 20.
_LARGEST_ERROR = 6.0
_SOUND_RATE = 48_000


def codec_checks() -> list[Check]:
    """Returns whether the program's encoders work, and which hardware encoders do."""
    programs = [video_check(VIDEO, is_needed=True), sound_check(SOUND)]
    there = [name for name in HARDWARE if name in av.codecs_available]
    return [*programs, *encoder_checks(*there)]


def encoder_checks(*encoders: str) -> list[Check]:
    """Returns whether encoders of hardware work.

    Args:
        encoders: FFmpeg's names.
    """
    return [video_check(name, is_needed=False) for name in encoders]


def video_check(encoder: str, *, is_needed: bool) -> Check:
    """Returns whether ten frames come back as they were encoded.

    Args:
        encoder: FFmpeg's name of the encoder.
        is_needed: Whether outputs are encoded with it.
    """
    name = f"video {encoder}"
    levels = [20 + 20 * index for index in range(_FRAMES)]
    try:
        found = decoded_levels(encoded_video(encoder, levels))
    except (OSError, ValueError, av.FFmpegError) as error:
        return _broken(name, encoder, str(error), is_needed=is_needed)
    problem = wrong_frames(levels, found)
    if problem:
        return _broken(name, encoder, problem, is_needed=is_needed)
    return ok(name, f"{_FRAMES} frames of {_SIDE[1]}x{_SIDE[0]} encoded and decoded")


def sound_check(encoder: str) -> Check:
    """Returns whether a second of sound can be encoded and decoded.

    Args:
        encoder: FFmpeg's name of the encoder.
    """
    name = f"sound {encoder}"
    mend = "pip install --force-reinstall av; without it some videos get no sound."
    try:
        seconds = _sound_seconds(encoder)
    except (OSError, ValueError, av.FFmpegError) as error:
        return warning(name, str(error), mend)
    if not 0.9 <= seconds <= 1.2:
        return warning(name, f"expected 1 s of sound, decoded {seconds:.2f} s", mend)
    return ok(name, "1 s of sound encoded and decoded")


def encoded_video(encoder: str, levels: Sequence[int]) -> bytes:
    """Returns an MP4 file with one grey frame for each level.

    Args:
        encoder: FFmpeg's name of the encoder.
        levels: Grey levels, 0 to 255.

    Raises:
        OutputError: The encoder cannot be opened or fails; the message is FFmpeg's.
    """
    file = io.BytesIO()
    with _ffmpeg_messages() as messages:
        try:
            with av.open(file, "w", format="mp4") as container:
                chosen = Encoder.by_codec(encoder)
                stream = add_video_stream(container, chosen, Fraction(_RATE), _SIDE)
                for level in levels:
                    container.mux(stream.encode(_grey_frame(level)))
                container.mux(stream.encode())
        except (OSError, ValueError, NotImplementedError, av.FFmpegError) as error:
            raise OutputError(_reason(error, messages)) from error
    return file.getvalue()


def decoded_levels(content: bytes) -> list[float]:
    """Returns the mean grey level of each frame of a video."""
    with av.open(io.BytesIO(content), "r") as container:
        return [
            float(frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)
        ]


def wrong_frames(expected: Sequence[float], found: Sequence[float]) -> str:
    """Returns what is wrong with decoded frames, or the empty string.

    Args:
        expected: Grey level of each frame that was encoded.
        found: Mean grey level of each frame that was decoded.
    """
    errors = [abs(a - b) for a, b in zip(expected, found, strict=False)]
    if len(found) == len(expected) and max(errors, default=0) <= _LARGEST_ERROR:
        return ""
    levels, decoded = (", ".join(f"{level:.0f}" for level in row) for row in (expected, found))
    return f"expected frames with the grey levels {levels}, decoded {decoded or 'none'}"


def _grey_frame(level: int) -> av.VideoFrame:
    image: UInt8Array = np.full((*_SIDE, 3), level, np.uint8)
    return YuvConverter(image.shape, reuse=False).frame(image)


def _sound_seconds(encoder: str) -> float:
    """Returns the seconds of sound that come back of one second."""
    time_s = np.arange(_SOUND_RATE) / _SOUND_RATE
    samples = (0.3 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)[None]
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream: Any = container.add_stream(encoder, rate=_SOUND_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = _SOUND_RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with av.open(io.BytesIO(file.getvalue()), "r") as container:
        return sum(frame.samples for frame in container.decode(audio=0)) / _SOUND_RATE


@contextmanager
def _ffmpeg_messages() -> Iterator[Any]:
    """Returns a context that collects what FFmpeg logs as errors.

    PyAV's logging is off before and after: a thread of a codec that logs waits for Python, and
    Python waits for the thread where it closes the codec.
    """
    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as messages:
            yield messages
    finally:
        av.logging.set_level(before)


def _reason(error: Exception, messages: Sequence[tuple[int, str, str]]) -> str:
    """Returns the first message of FFmpeg, else that of the error."""
    told = [text.strip() for _, _, text in messages if text.strip()]
    with suppress(AttributeError):
        told.append(str(error.strerror))  # type: ignore[attr-defined]
    return (told or [str(error)])[0]


def _broken(name: str, encoder: str, detail: str, *, is_needed: bool) -> Check:
    if is_needed:
        return failure(name, detail, "pip install --force-reinstall av")
    needs = HARDWARE.get(encoder, "its hardware")
    return warning(name, detail, f"Nothing to do: {VIDEO} encodes; this encoder needs {needs}.")
