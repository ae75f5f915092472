"""Choice of the video stream to decode, where a source has several."""

from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from tracker.errors import SourceError

_STILL_IMAGES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_STILL_CODECS = frozenset({"bmp", "gif", "jpeg2000", "jpegls", "mjpeg", "png", "tiff", "webp"})


def video_stream(container: InputContainer, source: str, wanted: int | None = None) -> VideoStream:
    """Returns the video stream to decode.

    Unless a number is given, it is the one that is flagged as default, and among several or none
    the one with the largest frames. Covers, thumbnails, streams of one frame and streams without
    a decoder are taken only where there is nothing else; covers never.

    Args:
        container: An open container.
        source: The source as messages name it.
        wanted: Number among the video streams, from 0; `None` chooses.

    Raises:
        SourceError: There is none, not so many, or this FFmpeg has no decoder for it.
    """
    if container.format.name == "tty":
        raise SourceError(f"{source}: expected a video, got text; name a video file")
    streams = container.streams.video
    chosen = _best(container, source) if wanted is None else _numbered(container, source, wanted)
    if chosen.codec_context is None:
        others = f", or take another one: {_listed(streams)}" if len(streams) > 1 else ""
        raise SourceError(
            f"{source}: this FFmpeg build cannot decode its video codec; convert it: "
            f"ffmpeg -i INPUT -c:v libx264 OUTPUT.mp4{others}"
        )
    return chosen


def choice_note(container: InputContainer, chosen: VideoStream) -> str | None:
    """Returns a note on the chosen stream; `None` where there is only one.

    Covers do not count: most songs and many films have one.
    """
    streams = container.streams.video
    moving = [stream for stream in streams if not stream.disposition & Disposition.attached_pic]
    if len(moving) < 2:
        return None
    number = [stream.index for stream in streams].index(chosen.index)
    return (
        f"{len(moving)} video streams ({_listed(streams)}); took v:{number}, "
        "source.video_stream=N takes another one"
    )


def _best(container: InputContainer, source: str) -> VideoStream:
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic  # the cover of a song
    ]
    if not streams:
        kinds = " and ".join(sorted({stream.type for stream in container.streams}))
        raise SourceError(
            f"{source}: expected a video stream, got only {kinds or 'an empty container'}; "
            "name a file with a video stream"
        )
    return max(streams, key=_preference)


def _preference(stream: VideoStream) -> tuple[bool, bool, bool, int, int]:
    is_default = bool(stream.disposition & Disposition.default)
    has_decoder = stream.codec_context is not None
    area = stream.width * stream.height if has_decoder else 0
    return has_decoder, not _is_thumbnail(stream), is_default, area, -stream.index


def _is_thumbnail(stream: VideoStream) -> bool:
    """Returns whether a stream is flagged as still images, or holds one frame.

    Not every container declares its number of frames. A stream whose rate could not be measured has
    one frame; so has one that lasts no longer than a frame.
    """
    if stream.disposition & _STILL_IMAGES:
        return True
    if stream.frames:
        return stream.frames == 1
    rate = stream.average_rate
    if not rate:
        return True
    lasts_s = _seconds(stream)
    if lasts_s is not None:
        return lasts_s * rate < 1.5
    return stream.codec_context is not None and stream.codec_context.name in _STILL_CODECS


def _seconds(stream: VideoStream) -> float | None:
    """Returns how long a stream lasts, by Matroska's statistics or its container's clock."""
    text = next((v for k, v in stream.metadata.items() if k.split("-")[0] == "DURATION"), "")
    try:
        hours, minutes, seconds = map(float, text.strip("\0 ").split(":"))
    except ValueError:
        if stream.duration is None or stream.time_base is None:
            return None
        return float(stream.duration * stream.time_base)
    return hours * 3600 + minutes * 60 + seconds


def _numbered(container: InputContainer, source: str, wanted: int) -> VideoStream:
    streams = container.streams.video
    if wanted >= len(streams):
        raise SourceError(
            f"{source}: source.video_stream: expected one of its {len(streams)} video streams "
            f"({_listed(streams) or 'none'}), got {wanted}"
        )
    return streams[wanted]


def _listed(streams: tuple[VideoStream, ...]) -> str:
    return ", ".join(f"v:{number} {_described(stream)}" for number, stream in enumerate(streams))


def _described(stream: VideoStream) -> str:
    if stream.codec_context is None:
        return "without a decoder"
    words = [f"{stream.width}x{stream.height}", stream.codec_context.name]
    if stream.disposition & Disposition.attached_pic:
        words.append("cover")
    elif _is_thumbnail(stream):
        words.append("thumbnail")
    return " ".join(words)
