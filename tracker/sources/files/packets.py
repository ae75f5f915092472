"""Video files as packets: opening, reading, seeking and decoding with PyAV, with clear errors."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import av
from av import VideoFrame
from av.codec.context import ThreadType
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from tracker.errors import SourceError
from tracker.sources.containers import open_container
from tracker.sources.files.checked_paths import readable_file
from tracker.sources.files.frame_numbers import Numbering
from tracker.sources.files.stream_choice import video_stream
from tracker.sources.packet_stamps import is_header, is_joinable

_MAX_READ_FAILURES = 20
_BOXES_AT_START = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"}
_INDEX_CUT_OFF = (
    "cut off: its index (moov box) is missing or cut, so the recording was not finished; "
    "copy or record it again, or rebuild the index with a repair tool such as untrunc"
)
VideoPacket: TypeAlias = "Packet[VideoStream]"  # a string: only the stubs know it as generic


@dataclass(frozen=True, slots=True, eq=False)
class OpenVideo:
    """An open container and the video stream that is read from it."""

    container: InputContainer
    stream: VideoStream
    path: Path | None = None
    """The file on disk; `None` for a network address."""


OpenFile: TypeAlias = Callable[[str], AbstractContextManager[OpenVideo]]
"""Returns a context that holds a video open, by its name for messages."""


@contextmanager
def open_video(source: str, wanted: int | None = None) -> Iterator[OpenVideo]:
    """Returns a context that holds the file open, with its decoder set to use all cores.

    Args:
        source: The path as the user wrote it.
        wanted: Number of the video stream, from 0; `None` chooses.

    Raises:
        SourceError: The path or its content cannot be read as a video.
    """
    path = readable_file(source)
    try:
        # The prefix keeps FFmpeg from reading a name such as "a:b.mp4" as a protocol.
        container = open_container(f"file:{path}")
    except av.FFmpegError as error:
        raise SourceError(f"{source}: {_why_unreadable(path, error)}") from error
    with container:
        if not container.streams.video and _lacks_index(path):
            raise SourceError(f"{source}: {_INDEX_CUT_OFF}")
        stream = video_stream(container, source, wanted)
        stream.thread_type = ThreadType.AUTO
        yield OpenVideo(container, stream, path)


def read_packets(video: OpenVideo, source: str) -> Iterator[VideoPacket]:
    """Returns the video packets from the current position on, skipping damaged ones.

    Raises:
        SourceError: The file can no longer be read (device gone, network share lost).
    """
    failures = 0
    while failures < _MAX_READ_FAILURES:
        try:
            for packet in video.container.demux(video.stream):
                failures = 0
                if packet.size:  # PyAV ends with an empty packet
                    yield packet
            return
        except (av.error.InvalidDataError, av.error.BlockingIOError):
            failures += 1  # Damage; after it a transport stream may have to be asked again.
        except IndexError:  # PyAV cannot return packets of a stream that begins later
            continue
        except av.FFmpegError as error:
            raise SourceError(f"{source}: reading failed: {error.strerror}") from error


def decoded_frames(
    video: OpenVideo, packets: Iterator[VideoPacket], numbering: Numbering
) -> Iterator[VideoFrame]:
    """Returns the decodable frames; `numbering` records every packet."""
    for packet in packets:
        if is_cut_short(packet):
            continue
        if is_shown(packet):
            numbering.read(packet.pts)
        try:
            frames = packet.decode()
        except av.FFmpegError:
            numbering.failed()
            continue
        yield from frames
    with suppress(av.FFmpegError):
        yield from video.stream.decode(None)


def is_cut_short(packet: VideoPacket) -> bool:
    """Returns whether the file ends within this packet, so that it must not be decoded.

    With frame threads its error would be raised while the decoder is drained, and good frames be
    lost (measured: 87 of 89 frames of a truncated MP4). In a transport stream packets are also
    marked as corrupt where recordings were joined, and may well decode.
    """
    return packet.is_corrupt and not is_joinable(packet.stream.container)


def is_shown(packet: VideoPacket) -> bool:
    """Returns whether a packet yields a frame: not cut away by an edit list, not hidden.

    VP8's alternate reference frames are packets of their own that are never shown: bit 4 of the
    frame tag (RFC 6386, sec. 9.1).
    """
    if packet.is_discard or is_header(packet):
        return False
    if packet.stream.codec_context.name != "vp8":
        return True
    return bool(memoryview(packet)[0] & 0x10)


def declared_frames(video: OpenVideo) -> int | None:
    """Returns the number of frames that the container declares, if any.

    AVI does not: its header counts the slots of a constant rate, which need not all be filled.
    """
    stream = video.stream
    if not stream.frames or video.container.format.name == "avi":
        return None
    if "mp4" in video.container.format.name:
        # The header counts samples; the index reflects edit lists.
        return sum(not entry.is_discard for entry in stream.index_entries)
    return stream.frames


def _why_unreadable(path: Path, error: av.FFmpegError) -> str:
    with path.open("rb") as file:
        head = file.read(4096)
    if _lacks_index(path):
        return _INDEX_CUT_OFF
    if b"\0" not in head and head.isascii():
        return "expected a video, got text; name a video file"
    reason = (error.strerror or "unknown format").lower()
    return f"not a video that FFmpeg can read ({reason}); check that it plays with ffplay"


def _lacks_index(path: Path) -> bool:
    """Returns whether an MP4 file ends before the end of its index."""
    with path.open("rb") as file:
        is_mp4 = file.read(8)[4:] in _BOXES_AT_START
    return is_mp4 and b"moov" not in _whole_boxes(path)


def _whole_boxes(path: Path) -> set[bytes]:
    """Returns the names of an MP4 file's outermost boxes that end within it.

    ISO/IEC 14496-12, sec. 4.2.
    """
    names = set()
    length = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at + 8 <= length:
            file.seek(at)
            header = file.read(16)
            size = int.from_bytes(header[:4], "big")
            if size == 1:
                size = int.from_bytes(header[8:16], "big")
            if at + size <= length:
                names.add(header[4:8])
            if size < 8:  # 0 means "to the end of the file"; less than a header is damage
                break
            at += size
    return names
