"""A video file in progress: the encoder, the container, and the disk below them."""

import os
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from av.video.frame import PictureType

from tracker.frames import VideoInfo
from tracker.sinks.audio_copy import Sound, open_sound
from tracker.sinks.encoders import Encoder, add_video_stream
from tracker.sinks.fragments import FragmentCount
from tracker.sinks.place import Place
from tracker.sinks.yuv import YuvConverter
from tracker.util.arrays import UInt8Array

_FALLBACK_TIME_BASE = Fraction(1, 90_000)
_KEYFRAME_S = 2  # A truncated file loses at most the part after its last key frame.
_LARGEST_KEYFRAME_INTERVAL = 250
_REORDERED = 12
"""Frames within which an encoder changes their order: x264's slowest preset takes 8 B-frames."""
_LONGEST_TICKS = 2**30 - 2**27
"""Longest time of so many frames in units of an MP4's clock. FFmpeg stores less than 2**31 from
decoding to presentation, and at the beginning twice their time lies between. The rest is for the
frames after a gap, which keep their distances."""
_LEAST_CLOCK_HZ = 10_000
"""FFmpeg doubles the clock of MP4 and MOV until it has this rate."""


class Disk:
    """A file for PyAV that keeps the first failure and ignores all later writes.

    FFmpeg always tries to finish a file, which would spoil the parts that are already playable
    when only some of those last writes succeed.

    Args:
        place: The place of the file; it is opened here.
    """

    def __init__(self, place: Place) -> None:
        self.error: OSError | None = None
        self._output_place = place
        self._file = place.open()
        self._place = 0
        self._size = 0
        self._fragments = FragmentCount()

    def holds(self, frames: int) -> bool:
        """Returns whether whole fragments with so many frames are on the disk.

        Raises:
            OSError: The file cannot be read, or the disk not be written.
        """
        self.check()
        if self._fragments.update(self._file.fileno()) < frames:
            return False
        os.fsync(self._file.fileno())
        return True

    def write(self, data: Any) -> int:
        """Returns the number of bytes accepted, always all."""
        size = len(data)
        if self.error is None:
            try:
                self._file.seek(self._place)
                rest = memoryview(data)
                while rest:
                    rest = rest[self._file.write(rest) :]
                self._size = max(self._size, self._place + size)
            except OSError as error:
                self.error = error
        self._place += size
        return size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Returns the new position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = base + offset
        return self._place

    def tell(self) -> int:
        """Returns the position of the next write."""
        return self._place

    def read(self, size: int) -> bytes:
        """Returns bytes from the current position; muxers that move their index read back."""
        self._file.seek(self._place)
        data = self._file.read(size)
        self._place += len(data)
        return data

    def check(self) -> None:
        """Raises the first failure, if any; a removed file is one."""
        if self.error is not None:
            raise self.error
        self._output_place.check(self._file)

    def check_in_place(self) -> None:
        """Raises `FileNotFoundError` where the file is no longer where it was opened."""
        self._output_place.check_in_place(self._file)

    def freeze(self) -> None:
        """Ignores all further writes."""
        self.error = self.error or OSError(0, "stopped")

    def close(self) -> None:
        """Closes the file; after a failure without the part that failed."""
        if self.error is not None and not self._file.closed:
            self._file.truncate(self._size)
        self._file.close()


class Recording:
    """The encoder, the sound and the container of one file in progress."""

    def __init__(
        self,
        disk: Disk,
        container_name: str,
        encoder: Encoder,
        info: VideoInfo,
        image: UInt8Array,
        time_s: float,
    ) -> None:
        self._disk = disk
        self._shape = image.shape
        self._time_base = usable_time_base(info)
        self._longest = _longest_span(self._time_base, container_name)
        self._recent: deque[int] = deque(maxlen=_REORDERED)
        self._interval = min(max(1, round(1 / (info.fps * self._time_base))), self._longest)
        self._first_pts = self._pts(time_s)
        self._last_pts = -1
        self._last_dts: int | None = None
        self._frames = 0
        self._keyframe_interval = keyframe_interval(info.fps)
        self._container = av.open(
            disk, "w", format=container_name, options=_container_options(container_name)
        )
        self._yuv = YuvConverter(image.shape, reuse=not encoder.is_hardware)
        self._stream = self._open_stream(encoder, info)
        self.sound_problem = ""
        self._sound = self._open_sound(info)

    def copy(self, path: str, frames: int) -> None:
        """Copies the first frames of an earlier file, which the next ones continue.

        Args:
            path: The file; it was made with the same options from frames of the same size.
            frames: Their number; a key frame follows them.

        Raises:
            OSError: It has fewer frames, or cannot be read or written.
        """
        with av.open(f"file:{path}") as earlier:
            stream = earlier.streams.video[0]
            bare = BitStreamFilterContext("h264_mp4toannexb", in_stream=stream)
            copied = islice(_packets(earlier, stream), frames)
            for packet in (out for one in copied for out in bare.filter(one)):
                unit = packet.time_base / self._time_base
                packet.pts = round((packet.pts or 0) * unit)
                packet.dts = None if packet.dts is None else round(packet.dts * unit)
                packet.time_base = self._time_base
                self._last_pts = max(self._last_pts, packet.pts)
                self._frames += 1
                self._mux_packet(packet)
                if self._sound is not None:
                    self._sound.pump(float(packet.pts * self._time_base))
                self._disk.check()
        if self._frames < frames:
            raise OSError(0, f"the earlier file has {self._frames} of {frames} frames")

    def holds(self, frames: int) -> bool:
        """Returns whether so many frames would survive the end of the program.

        Raises:
            OSError: The file cannot be read, or the disk not be written.
        """
        return self._disk.holds(frames)

    def add(self, image: UInt8Array, time_s: float) -> None:
        """Encodes one frame, and the sound up to it; at regular intervals a key frame.

        A gap that the container cannot store, of a quarter of an hour or more, is shortened.
        """
        self.check(image.shape)
        # The container refuses equal or falling times.
        pts = max(self._pts(time_s) - self._first_pts, self._last_pts + 1)
        start = self._recent[0] if self._recent else max(self._last_pts, 0)
        too_long = min(pts - start - self._longest, pts - self._last_pts - self._interval)
        if too_long > 0:
            self._first_pts += too_long
            pts -= too_long
        self._recent.append(pts)
        frame = self._yuv.frame(image)
        frame.pts = pts
        frame.time_base = self._time_base
        is_key = self._frames % self._keyframe_interval == 0
        frame.pict_type = PictureType.I if is_key else PictureType.NONE
        self._frames += 1
        self._last_pts = pts
        self._mux(frame)
        if self._sound is not None:
            self._sound.pump(float(pts * self._time_base))
        self._disk.check()

    def check(self, shape: tuple[int, ...]) -> None:
        """Checks the shape of an image, and the disk.

        Raises:
            OSError: The shape is not that of the first image, the disk has failed, or the file was
                removed.
        """
        if shape != self._shape:
            had, got = (f"{shape[1]}x{shape[0]}" for shape in (self._shape, shape))
            raise OSError(0, f"the frames changed from {had} to {got}")
        self._disk.check()

    def finish(self) -> None:
        """Flushes the encoder, ends the sound, and completes the file."""
        self._mux(None)
        if self._sound is not None:
            self._sound.finish(float((self._last_pts + self._interval) * self._time_base))
            self.sound_problem = self._sound.problem
        # Once the disk is full nothing may be finished: see Disk.
        self._disk.check()
        self._container.close()
        self._disk.check()
        self._disk.check_in_place()
        self._disk.close()

    def abandon(self) -> bool:
        """Closes everything, and returns whether the complete parts are still on disk."""
        self._disk.freeze()
        if self._sound is not None:
            self._sound.close()
        try:
            self._container.close()
        except (OSError, ValueError, av.FFmpegError):
            pass  # The first failure is the one to report.
        try:
            self._disk.check_in_place()
        except OSError:
            return False
        finally:
            self._disk.close()
        return True

    def _pts(self, time_s: float) -> int:
        return round(time_s * self._time_base.denominator / self._time_base.numerator)

    def _mux(self, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            self._mux_packet(packet)

    def _mux_packet(self, packet: "av.Packet[av.VideoStream]") -> None:
        # Where an earlier file ended, the encoder's first decoding times may be too low.
        if packet.dts is not None:
            packet.dts = max(
                packet.dts, packet.dts if self._last_dts is None else self._last_dts + 1
            )
            self._last_dts = packet.dts
        # Duration of the last frame; the others last until the next.
        packet.duration = self._interval
        packet.stream = self._stream
        self._container.mux(packet)

    def _open_stream(self, encoder: Encoder, info: VideoInfo) -> av.VideoStream:
        """Returns the stream of the frames; an encoder of hardware is open."""
        rate = info.fps.limit_denominator(1_001_000)
        stream = add_video_stream(self._container, encoder, rate, self._yuv.size)
        context = stream.codec_context
        context.time_base = self._time_base
        context.gop_size = self._keyframe_interval
        if encoder.is_hardware:
            context.open()
        return stream

    def _open_sound(self, info: VideoInfo) -> Sound | None:
        if info.audio_path is None:
            return None
        try:
            return open_sound(info.audio_path, self._container, start_s=info.start_s)
        except (av.FFmpegError, ValueError) as error:
            self.sound_problem = str(error)
            return None


def keyframe_interval(fps: Fraction) -> int:
    """Returns the number of frames from one key frame to the next."""
    return max(1, min(_LARGEST_KEYFRAME_INTERVAL, round(_KEYFRAME_S * fps)))


def frame_count(path: str) -> int:
    """Returns the number of frames that can be copied from a file; 0 where it is no video."""
    try:
        with av.open(f"file:{path}") as container:
            return sum(1 for _ in _packets(container, container.streams.video[0]))
    except (OSError, ValueError, IndexError, av.FFmpegError):
        return 0


def _packets(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator["av.Packet[av.VideoStream]"]:
    """Yields the packets of a file that may have been cut off, up to the first damaged one."""
    try:
        for packet in container.demux(stream):
            if packet.size:
                if packet.is_corrupt:
                    return
                yield packet
    except av.FFmpegError:
        return


def usable_time_base(info: VideoInfo) -> Fraction:
    """Returns the unit of presentation times: the source's, or 1/90000 s where it does not fit.

    It fits when no two frames share a time and an MP4 clock can hold it (at most a microsecond).
    """
    base = info.time_base
    fits = 0 < base <= 1 / info.fps and base.denominator <= 1_000_000
    return base if fits else _FALLBACK_TIME_BASE


def _longest_span(time_base: Fraction, container_name: str) -> int:
    """Returns the longest time of `_REORDERED` frames that a container stores, in `time_base`."""
    clock_hz = time_base.denominator
    while clock_hz < _LEAST_CLOCK_HZ:
        clock_hz *= 2
    # Matroska stores milliseconds in 64 bits.
    return 2**62 if container_name == "matroska" else int(_LONGEST_TICKS / clock_hz / time_base)


def _container_options(container_name: str) -> dict[str, str]:
    # Each complete part is written at once, so that a killed program leaves a playable file.
    options = {"flush_packets": "1"}
    if container_name == "matroska":
        return options
    # hybrid_fragmented came with FFmpeg 7.1 (libavformat 61.7). delay_moov writes an index that
    # starts playing at time 0; without it B-frames delay the frames by two intervals.
    crash_safe = av.library_versions["libavformat"] >= (61, 7)
    options["movflags"] = "hybrid_fragmented+delay_moov" if crash_safe else "faststart"
    return options


def cut_to_whole_parts(path: str) -> None:
    """Cuts off bytes after the last complete fragment of an MP4 or MOV file (ISO/IEC 14496-12)."""
    end = place = 0
    with open(path, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        while place + 16 <= size:
            file.seek(place)
            box = file.read(16)
            length = int.from_bytes(box[:4], "big")
            if length == 1:  # The length does not fit into 32 bits and follows the name.
                length = int.from_bytes(box[8:16], "big")
            if length < 8 or place + length > size:
                break
            place += length
            if box[4:8] == b"mdat":  # A fragment is its index, then its data.
                end = place
        file.truncate(end)


def plays(path: str) -> bool:
    """Returns whether a first frame can be decoded."""
    try:
        with av.open(path) as container:
            return next(container.decode(video=0), None) is not None
    except (OSError, ValueError, IndexError, av.FFmpegError):
        return False
