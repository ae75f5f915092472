"""The H.264 encoders of videos: x264, and those of graphics hardware."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Self, cast

import av
from av.codec.hwaccel import HWAccel
from av.container import OutputContainer
from av.video.reformatter import ColorRange

from tracker.sinks.video_settings import AUTO_PRESET, VideoEncoder

_BT709 = 1  # ITU-T H.273: the code of BT.709 for primaries, transfer and matrix alike.
LARGE_PX = 1280 * 720
"""Pixels of a frame from which on `auto` takes the fast settings: the encoder's time grows with the
frame, that of a network does not."""

_FAST = {
    # x264's fastest preset, with what gains most for little: measured in docs/performance.md.
    "preset": "ultrafast",
    "x264-params": "no-deblock=0:cabac=1:mbtree=1:rc-lookahead=10",
}
_FAST_THREADS = 4
"""A fixed number: the bytes depend on it."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder with its settings.

    Attributes:
        codec: FFmpeg's name.
        options: FFmpeg's options.
        pixel_format: Of the frames that it takes; yuv420p is converted.
        frame_threads: Frames that are encoded at the same time; `None` for threads within a frame.
        device: Type of the device that frames are uploaded to; `None` for none.
        is_hardware: Whether it may read a frame after `encode` has returned, and may be missing.
    """

    codec: str
    options: Mapping[str, str] = field(default_factory=dict)
    pixel_format: str = "yuv420p"
    frame_threads: int | None = None
    device: str | None = None
    is_hardware: bool = False

    @classmethod
    def x264(cls, crf: int, preset: str, size: tuple[int, int]) -> Self:
        """Returns x264 with its settings.

        Args:
            crf: Quality, 0 (lossless) to 51 (worst).
            preset: One of `PRESETS`.
            size: Height and width of the frames in pixels.
        """
        if preset == AUTO_PRESET and size[0] * size[1] >= LARGE_PX:
            # One step finer: the quality of "veryfast" (docs/performance.md).
            options = {"crf": str(max(0, crf - 1)), **_FAST}
            return cls("libx264", options, frame_threads=_FAST_THREADS)
        options = {"crf": str(crf), "preset": "veryfast" if preset == AUTO_PRESET else preset}
        return cls("libx264", options)

    @classmethod
    def of_hardware(cls, name: VideoEncoder, crf: int) -> Self:
        """Returns an encoder of graphics hardware with its settings.

        Args:
            name: `nvenc`, `vaapi`, `qsv` or `videotoolbox`.
            crf: Quality on x264's scale, which the encoders follow roughly.
        """
        codec = HARDWARE_CODECS[name]
        if name is VideoEncoder.NVENC:
            options = {"rc": "vbr", "cq": str(crf), "b": "0", "preset": "p4", "forced-idr": "1"}
        elif name is VideoEncoder.VAAPI:
            options = {"rc_mode": "CQP", "qp": str(crf)}
        elif name is VideoEncoder.QSV:
            options = {"global_quality": str(max(1, crf)), "preset": "veryfast", "forced_idr": "1"}
        else:
            # 0 to 100, more is better, in FFmpeg's unit of 1/118; 63 at crf 23.
            options = {"global_quality": str(118 * (100 - 8 * crf // 5)), "flags": "+qscale"}
        return cls(
            codec,
            {**options, "bf": "0"},
            pixel_format="yuv420p" if name is VideoEncoder.NVENC else "nv12",
            device="vaapi" if name is VideoEncoder.VAAPI else None,
            is_hardware=True,
        )

    @classmethod
    def by_codec(cls, codec: str) -> Self:
        """Returns an encoder by FFmpeg's name, with settings for a middling quality."""
        for name, own in HARDWARE_CODECS.items():
            if own == codec:
                return cls.of_hardware(name, 23)
        return cls(codec)


HARDWARE_CODECS = {
    VideoEncoder.VIDEOTOOLBOX: "h264_videotoolbox",
    VideoEncoder.NVENC: "h264_nvenc",
    VideoEncoder.QSV: "h264_qsv",
    VideoEncoder.VAAPI: "h264_vaapi",
}
"""FFmpeg's names of encoders of hardware, in the order in which `auto` tries them."""


def add_video_stream(
    container: OutputContainer, encoder: Encoder, rate: Fraction, size: tuple[int, int]
) -> av.VideoStream:
    """Returns a new stream for frames in BT.709 of limited range.

    Args:
        container: The file.
        encoder: The encoder.
        rate: Nominal frames per second.
        size: Height and width in pixels, both even.

    Raises:
        ValueError: FFmpeg has no such encoder.
        av.FFmpegError: There is no such device.
    """
    more: dict[str, Any] = {}
    if encoder.device is not None:
        more["hwaccel"] = HWAccel(encoder.device)
    stream = cast(
        av.VideoStream,
        container.add_stream(encoder.codec, rate=rate, options=dict(encoder.options), **more),
    )
    stream.height, stream.width = size
    stream.pix_fmt = encoder.pixel_format
    context = stream.codec_context
    if encoder.frame_threads is not None:
        context.thread_type = "FRAME"
        context.thread_count = encoder.frame_threads
    context.color_range = ColorRange.MPEG
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    return stream
