"""One connection to a stream, read and decoded in a thread of its own.

A thread, because FFmpeg can block where nothing interrupts it (resolving a name, reading a pipe) or
only PyAV's timeout does (reading from a socket): the consumer of the frames waits at a channel
instead, which `close` and Ctrl-C end at once.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from queue import Empty
from typing import cast

import av
from av import VideoFrame
from av.codec.context import ThreadType
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from tracker.errors import SourceError
from tracker.sources.containers import as_fraction
from tracker.sources.files.decoding import Decoding
from tracker.sources.files.deinterlace import Deinterlacer
from tracker.sources.files.early_end import Bytes
from tracker.sources.files.front_to_back import FrontToBack
from tracker.sources.files.packets import OpenVideo, VideoPacket
from tracker.sources.files.stream_choice import choice_note, video_stream
from tracker.sources.live.opening_burst import timed_packets
from tracker.sources.live.stream_errors import (
    BROKEN,
    ENDED,
    UNREACHABLE,
    Failure,
    StreamLostError,
    explain,
    too_late,
)
from tracker.sources.packet_stamps import nominal_rate
from tracker.util.channel import Cancelled, Channel

# Enough to decode one frame while another is converted; more would only make frames older.
_WAITING = 2
_MAX_READ_FAILURES = 20
# Packets whose time of arrival is kept until their frame comes out: H.264 reorders 16 at most.
_MAX_PENDING = 64
# A healthy stream delivers its next packet within a frame interval, and can then be closed
# properly.
_RELEASE_S = 0.5
_SEGMENTED = frozenset({"hls", "dash"})
_TICKS_A_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """The facts of a stream, known once it is open.

    Attributes:
        rate: Nominal frames a second.
        time_base: Unit of the frames' stamps.
        is_timed: Whether the stream has stamps of its own; MJPEG and raw H.264 have none.
        is_segmented: Whether it arrives in segments of some seconds, as HLS and DASH.
        is_finite: Whether its end is known: a file, not a live stream.
        pixel_aspect: Width of a pixel divided by its height.
        note: Which of several streams was chosen; `None` where there is only one.
    """

    rate: Fraction
    time_base: Fraction
    is_timed: bool
    is_segmented: bool
    is_finite: bool
    pixel_aspect: Fraction
    note: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A decoded frame, and when the packet with it arrived.

    Attributes:
        frame: The frame.
        arrived_s: Arrival on `time.monotonic`.
        arrived_wall_s: Arrival in Unix time.
        lost: Frames since the last arrival that could not be decoded.
    """

    frame: VideoFrame
    arrived_s: float
    arrived_wall_s: float
    lost: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a connection.

    Attributes:
        failure: Why; `None` at an ordinary end.
        lost: Frames since the last arrival that could not be decoded.
    """

    failure: Failure | None
    lost: int = 0


class Connection:
    """A stream that is being opened, read and decoded in a thread.

    Args:
        source: The stream as messages name it, without credentials.
        open_container: Opens it; may block.
        decoding: Which of its video streams is read, and which frames are deinterlaced.
        recording: For a recording that is read to its end: returns its bytes at that point. `None`
            for a live stream, whose frames have to be as recent as possible.
    """

    def __init__(
        self,
        source: str,
        open_container: Callable[[], InputContainer],
        decoding: Decoding | None = None,
        *,
        recording: Callable[[], Bytes] | None = None,
    ) -> None:
        self._source = source
        self._decoding = decoding or Decoding()
        self._open = open_container
        self._recording = recording
        self._items: Channel[StreamFacts | Arrival | Ended | _Fault] = Channel(_WAITING)
        self._lost = 0
        self._clocks: dict[int, tuple[float, float]] = {}
        self._thread = threading.Thread(target=self._run, name="tracker-stream", daemon=True)
        self._thread.start()

    def opened(self, timeout_s: float | None) -> StreamFacts:
        """Returns the facts of the stream, once it is open; call it first.

        Args:
            timeout_s: Seconds to wait; `None` for as long as it takes.

        Raises:
            StreamLostError: It cannot be opened, or not in that time.
            Cancelled: It was closed.
        """
        item = self._next(timeout_s)
        if isinstance(item, StreamFacts):
            return item
        if item is None:
            raise StreamLostError(too_late(timeout_s or 0, "open_timeout_s", "no answer"))
        assert isinstance(item, Ended)
        raise StreamLostError(item.failure or ENDED)

    def receive(self, timeout_s: float | None) -> Arrival | Ended:
        """Returns the next frame or the end; call it once the stream is open.

        Args:
            timeout_s: Seconds to wait; `None` for as long as it takes.

        Raises:
            Cancelled: It was closed.
        """
        item = self._next(timeout_s)
        if item is None:
            return Ended(too_late(timeout_s or 0, "stall_s", "no frame"))
        assert not isinstance(item, StreamFacts)
        return item

    def first(self, timeout_s: float | None) -> Arrival:
        """Returns the first frame.

        Args:
            timeout_s: Seconds to wait; `None` for as long as it takes.

        Raises:
            StreamLostError: It ended, or gave no frame in that time.
            Cancelled: It was closed.
        """
        item = self.receive(timeout_s)
        if isinstance(item, Ended):
            raise StreamLostError(item.failure or ENDED)
        return item

    def close(self) -> None:
        """Closes it, from any thread; a blocked read ends by its own timeout."""
        if not self._items.is_cancelled:
            self._items.cancel()
            self._thread.join(_RELEASE_S)

    def _next(self, timeout_s: float | None) -> StreamFacts | Arrival | Ended | None:
        """Returns the next item of the thread; `None` after the timeout."""
        try:
            taken = self._items.take(timeout_s)
        except Empty:
            return None
        assert taken is not None  # the channel is cancelled, never ended
        if isinstance(taken.item, _Fault):
            raise taken.item.error
        return taken.item

    def _run(self) -> None:
        try:
            self._items.put(self._read())
        except Cancelled:
            return

    def _read(self) -> "Ended | _Fault":
        """Puts the facts and the arrivals; returns the end."""
        is_open, begun_s = False, time.monotonic()
        try:
            with self._open() as container:
                stream = video_stream(container, self._source, self._decoding.video_stream)
                stream.thread_type = ThreadType.SLICE  # frame threads would delay frames
                facts = _facts(container, stream)
                self._items.put(facts)
                is_open = True
                if self._recording is not None:
                    return self._read_recording(container, stream, self._recording)
                for arrival in self._arrivals(self._timed(container, facts, begun_s), stream):
                    self._items.put(arrival)
        except (av.FFmpegError, SourceError, OSError) as error:
            failure = explain(error, self._source)
            is_broken = is_open and failure is UNREACHABLE
            return Ended(BROKEN if is_broken else failure, self._lost)
        except Cancelled:
            raise
        except Exception as error:
            return _Fault(error)
        return Ended(None, self._lost)

    def _read_recording(
        self, container: InputContainer, stream: VideoStream, data: Callable[[], Bytes]
    ) -> "Ended":
        """Puts the frames of a recording; returns how it ended."""
        recording = FrontToBack(
            OpenVideo(container, stream), self._source, self._decoding.deinterlace
        )
        packets = (
            cast(VideoPacket, packet)
            for packet in self._packets(container)
            if packet.size and packet.stream.index == stream.index
        )
        for frame in recording.frames(packets):
            self._items.put(Arrival(frame, time.monotonic(), time.time(), recording.lost))
        return Ended(recording.failure(data), recording.lost)

    def _timed(
        self, container: InputContainer, facts: StreamFacts, begun_s: float
    ) -> Iterator[tuple["Packet[Stream]", float]]:
        """Yields the packets of a live stream and their arrivals on `time.monotonic`."""
        packets = self._packets(container)
        if facts.is_timed and not facts.is_segmented and not facts.is_finite:
            return timed_packets(packets, begun_s)
        return ((packet, time.monotonic()) for packet in packets)

    def _arrivals(
        self, packets: Iterator[tuple["Packet[Stream]", float]], stream: VideoStream
    ) -> Iterator[Arrival]:
        begun = False
        deinterlacer = Deinterlacer(self._decoding.deinterlace, self._source)
        for packet, arrived_s in packets:
            # Sound is read as well, so that closing is noticed while no frames arrive.
            if packet.stream.index != stream.index:
                continue
            # A decoder that starts in the middle of a group of pictures (GOP) shows grey smears.
            begun = begun or packet.is_keyframe
            if begun:
                yield from self._decoded(cast(VideoPacket, packet), deinterlacer, arrived_s)
        for frame in deinterlacer.flush():
            yield self._arrival(frame, (time.monotonic(), time.time()))

    def _packets(self, container: InputContainer) -> Iterator["Packet[Stream]"]:
        failures = 0
        while failures < _MAX_READ_FAILURES:
            try:
                for packet in container.demux():
                    if self._items.is_cancelled:
                        raise Cancelled
                    failures = 0
                    yield packet
                return
            except av.error.InvalidDataError:
                failures += 1
                self._lost += 1
            except IndexError:  # PyAV cannot return packets of a stream that begins later
                continue

    def _decoded(
        self, packet: VideoPacket, deinterlacer: Deinterlacer, arrived_s: float
    ) -> Iterator[Arrival]:
        now = arrived_s, time.time() - (time.monotonic() - arrived_s)
        if packet.pts is not None:
            if len(self._clocks) >= _MAX_PENDING:
                self._clocks.clear()
            self._clocks[packet.pts] = now
        frames: list[VideoFrame] = []
        try:
            # Half a JPEG decodes to an image that is half grey. Other codecs conceal damage.
            if packet.is_corrupt and packet.stream.codec_context.name == "mjpeg":
                self._lost += 1
            else:
                frames = packet.decode()
        except av.FFmpegError:
            self._lost += 1
        for frame in chain.from_iterable(map(deinterlacer.push, frames)):
            yield self._arrival(frame, now)

    def _arrival(self, frame: VideoFrame, now: tuple[float, float]) -> Arrival:
        clocks = now if frame.pts is None else self._clocks.pop(frame.pts, now)
        lost, self._lost = self._lost, 0
        return Arrival(frame, *clocks, lost)


@dataclass(frozen=True, slots=True)
class _Fault:
    """An error of this program in the thread, raised where the frames are received."""

    error: Exception


def _facts(container: InputContainer, stream: VideoStream) -> StreamFacts:
    name = container.format.name
    is_timed = not container.format.flags & cast(int, Flags.no_timestamps.value)
    is_segmented = bool(_SEGMENTED & set(name.split(",")))
    # A server declares the length of a file; cameras with endless MJPEG may declare any number.
    has_length = (container.size or 0) > 0 and not is_segmented and name != "mpjpeg"
    return StreamFacts(
        rate=nominal_rate(stream),
        time_base=as_fraction(
            (stream.time_base if is_timed else None) or Fraction(1, _TICKS_A_SECOND)
        ),
        is_timed=is_timed,
        is_segmented=is_segmented,
        is_finite=bool(container.duration) or has_length,
        pixel_aspect=as_fraction(stream.sample_aspect_ratio or 1),
        note=choice_note(container, stream),
    )
