"""Small clips with known content, written into a test's own directory."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

LEVELS = tuple(range(24, 232, 2))
"""Grey level by frame number modulo 104."""

TOLERANCE = 3
"""What x264 at qp 10 and the conversion to limited-range YUV and back move a flat grey at most."""


def level(index: int) -> int:
    return LEVELS[index % len(LEVELS)]


def write_clip(
    path: Path,
    *,
    count: int = 50,
    pts: Sequence[int] | None = None,
    rate: Fraction = Fraction(25),
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    faststart: bool = False,
    gop: int = 12,
    b_frames: int = 2,
) -> Path:
    """Writes frames of one grey level each, with B-frames and a keyframe every `gop` frames."""
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", container_options=options) as container:
        stream = container.add_stream(codec, rate=rate, options={"qp": "10"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = 0 if codec == "libvpx" else b_frames
        for index, stamp in enumerate(range(count) if pts is None else pts):
            frame = grey_frame(level(index), size)
            frame.pts, frame.time_base = stamp, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_walk(path: Path, *, count: int, fps: int, gop: int) -> Path:
    """Writes 96x64 frames of noise that moves 3 pixels a frame: each is predicted from others."""
    noise = np.random.default_rng(0).integers(0, 256, (16, 24 + count, 3)).astype(np.uint8)
    noise = noise.repeat(4, axis=0).repeat(4, axis=1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = 3
        for index in range(count):
            image = np.ascontiguousarray(noise[:, 3 * index : 3 * index + 96])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode(None))
    return path


def grey_frame(value: int, size: tuple[int, int]) -> av.VideoFrame:
    image = np.full((size[1], size[0], 3), value, np.uint8)
    return av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv420p")


@dataclass(frozen=True)
class Stream:
    """A video stream of one grey, by which it can be told from others."""

    size: tuple[int, int]
    count: int
    grey: int
    flags: Disposition | None = None
    codec: str = "mpeg4"


def write_streams(path: Path, *streams: Stream) -> Path:
    """Writes several video streams into one file, at 25 frames a second."""
    with av.open(str(path), "w") as container:
        added = []
        for spec in streams:
            stream = container.add_stream(spec.codec, rate=25)
            stream.width, stream.height = spec.size
            stream.pix_fmt = "yuvj420p" if spec.codec == "mjpeg" else "yuv420p"
            stream.disposition = spec.flags or Disposition(0)
            added.append(stream)
        for index in range(max(spec.count for spec in streams)):
            for spec, stream in zip(streams, added, strict=True):
                if index < spec.count:
                    frame = grey_frame(spec.grey, spec.size).reformat(format=stream.pix_fmt)
                    frame.pts, frame.time_base = index, Fraction(1, 25)
                    container.mux(stream.encode(frame))
        for stream in added:
            container.mux(stream.encode(None))
    return path


def write_planes(
    path: Path,
    planes: tuple[int, int, int],
    *,
    size: tuple[int, int],
    colorspace: int | None = None,
    color_range: int | None = None,
) -> Path:
    """Writes three lossless frames whose Y, U and V planes are flat."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        if colorspace is not None:
            stream.codec_context.colorspace = colorspace
        if color_range is not None:
            stream.codec_context.color_range = color_range
        for index in range(3):
            frame = av.VideoFrame(*size, "yuv420p")
            for plane, value in zip(frame.planes, planes, strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_corner(path: Path, *, rotation: float, mirrored: bool, aspect: Fraction) -> Path:
    """Writes 64x32 frames, black but for a white top left quarter, with a display matrix."""
    image = np.zeros((32, 64, 3), np.uint8)
    image[:16, :32] = 255
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv444p"
        stream.codec_context.sample_aspect_ratio = aspect
        stream.set_display_rotation(rotation, hflip=mirrored)
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv444p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_with_sound(path: Path, *, frames: int) -> Path:
    """Writes half a second of silence, beside so many images (none: sound only)."""
    with av.open(str(path), "w") as container:
        video = None
        if frames:
            video = container.add_stream("libx264", rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("aac", rate=8000, layout="mono")
        for index in range(frames):
            frame = grey_frame(level(index), (64, 48))
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        for start in range(0, 4096, 1024):
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            samples.sample_rate, samples.pts = 8000, start
            container.mux(sound.encode(samples))
        if video is not None:
            container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path


def cut(path: Path, target: Path, share: float) -> Path:
    """Writes the first part of a file."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def damage(path: Path, target: Path, *, at: float, length: int) -> Path:
    """Writes a file with some bytes overwritten by noise."""
    data = bytearray(path.read_bytes())
    start = int(len(data) * at)
    data[start : start + length] = np.random.default_rng(0).bytes(length)
    target.write_bytes(data)
    return target


def write_interlaced(
    path: Path,
    *,
    count: int = 12,
    flagged: bool = True,
    codec: str = "libx264",
) -> Path:
    """Writes 64x48 frames of a bar that moves 4 pixels from field to field, at 25 a second.

    Args:
        path: Where to.
        count: Frames.
        flagged: Whether the encoder says that frames are interlaced.
        codec: `libx264`, `mpeg2video` or `mpeg4`.
    """
    flags = {"libx264": {"x264-params": "tff=1:qp=10"}}.get(codec, {"flags": "+ildct+ilme"})
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=flags if flagged else {})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(count):
            rows = np.zeros((48, 64), np.uint8)
            left = 8 * (index % 6)
            rows[0::2, left : left + 16] = 235
            rows[1::2, left + 4 : left + 20] = 235
            frame = av.VideoFrame.from_ndarray(np.dstack([rows] * 3), "rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
