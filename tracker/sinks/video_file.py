"""A video with the tracks drawn in: H.264 that plays in a browser, with the source's sound.

The file is playable up to its last complete part even when the program is killed. Frames are drawn
in the caller's thread, and converted, encoded and written in another.
"""

import errno
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import av

from tracker.errors import ConfigError, NotResumableError, OutputError, nearest
from tracker.frames import VideoInfo
from tracker.sinks.annotated import annotated_image
from tracker.sinks.changed_images import Overlay
from tracker.sinks.closing import ClosesOnExit
from tracker.sinks.draw_style import DrawStyle
from tracker.sinks.draw_trails import Trails
from tracker.sinks.encoder_thread import EncoderThread
from tracker.sinks.encoders import Encoder
from tracker.sinks.output_file import check_not_source
from tracker.sinks.place import Existing, Place, output_error, reason
from tracker.sinks.scaled import scaled_result
from tracker.sinks.video_encoder import (
    Disk,
    Recording,
    cut_to_whole_parts,
    frame_count,
    plays,
)
from tracker.sinks.video_settings import AUTO_PRESET, EARLIER, VideoEncoder, VideoSettings
from tracker.tracks import TrackedFrame
from tracker.util.arrays import UInt8Array

_CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}

_NO_THREAD = "can't start new thread"

_log = logging.getLogger(__name__)


class VideoSink(ClosesOnExit):
    """Encodes each frame with its tracks drawn in, at its time in the source.

    Times are exact in MP4 and MOV; Matroska rounds them to milliseconds. Odd sizes grow by one
    row or column that repeats the edge, as H.264 4:2:0 needs even ones. `write` returns once a
    frame is drawn; up to three wait for the encoder. Threads may share a sink: frames are encoded
    in the order of the calls.

    Args:
        path: Where to write; the ending picks the container: .mp4, .mov or .mkv.
        style: Style of the drawing.
        overlay: Draws over each image, above the tracks; `None` for nothing.
        crf: Quality, 0 (lossless) to 51 (worst).
        preset: x264 preset; slower ones make smaller files. `auto` depends on the size of the
            frames: `veryfast` below 1280x720, and faster settings of the same quality above.
        existing: Whether an existing file may be replaced.
        scale: Factor on width and height of the frames, in [0.05, 1]; tracks are drawn at the new
            size.
        encoders: `x264`, `nvenc`, `vaapi`, `qsv` or `videotoolbox`; the first that can be opened
            is used.

    Raises:
        OutputTakenError: Another process writes the file, or it exists and may not be replaced.
        OutputError: The path cannot be written, or its ending is unknown.
        ConfigError: `crf` or `preset` is unknown to x264, or `scale` is out of range.
    """

    def __init__(  # noqa: PLR0913 - keywords of the public interface
        self,
        path: str,
        *,
        style: DrawStyle | None = None,
        overlay: Overlay | None = None,
        crf: int = 23,
        preset: str = AUTO_PRESET,
        existing: Existing = Existing.REPLACE,
        scale: float = 1.0,
        encoders: Sequence[str] = (VideoEncoder.X264,),
    ) -> None:
        self._container_name = _container_name(path)
        self._settings = VideoSettings(crf=crf, preset=preset, scale=scale)
        self._encoders = tuple(_encoder_name(name) for name in encoders)
        self._path = path
        self._place = Place(path, existing)
        self._style = style or DrawStyle()
        self._lock = threading.RLock()  # A sink may be shared, or closed by another thread.
        self._used: str | None = None
        self._trails = Trails(self._style.trail_s)
        self._overlay = overlay
        self._file: EncoderThread | None = None
        self._frames = 0
        self._first_s: float | None = None
        self._earlier: Path | None = None
        self._copied = 0
        self._status = "nothing written"
        self._failure: OutputError | None = None

    @property
    def status(self) -> str:
        """One line about the output."""
        return f"{self._path}: {self._status}"

    def write(self, result: TrackedFrame) -> None:
        """Draws one frame, and queues it for the encoder; the first call opens the file.

        Raises:
            OutputError: The disk is full, the encoder failed, also at an earlier frame, the size of
                the frames changed, or the file is the source. The part written before stays if it
                is playable.
        """
        with self._lock:
            self._write(result)

    def _write(self, result: TrackedFrame) -> None:
        if self._failure is not None:
            raise self._failure
        frame = result.frame
        if self._file is None:
            check_not_source(self._path, result.run.video.source)
        result = scaled_result(result, self._settings.scale)
        self._trails.update(result.tracks, frame.time_s)
        spare = None if self._file is None else self._file.spare_image()
        image = annotated_image(result, self._trails, self._style, self._overlay, spare)
        try:
            if self._file is None:
                self._first_s = frame.time_s if self._first_s is None else self._first_s
                self._file = self._open(result.run.video, image, self._first_s)
            self._file.add(image, frame.time_s)
        except Exception as error:  # Of any kind: the encoder runs in another thread.
            self._give_up(error)
        self._frames += 1
        self._status = self._counted()

    def is_on_disk(self, results: int) -> bool:
        """Returns whether the first `results` frames are in the file for good.

        Frames reach it some seconds late, when a part of the file is complete.

        Raises:
            OSError: The file cannot be read, or the disk not be written.
        """
        with self._lock:
            if self._file is None:
                return not results
            if not self._file.holds(results):
                return False
            if self._earlier is not None and results >= self._copied:
                self._earlier.unlink(missing_ok=True)
                self._earlier = None
            return True

    def continue_file(self) -> None:
        """Makes the first result continue the existing file after the restored frames.

        The frames are copied into a new file, as an index at the beginning or end of the old one
        cannot grow; that takes the room of both. The next ones are encoded by the same encoder, as
        its parameters are stored once for all frames.

        Raises:
            NotResumableError: The file is missing, or holds fewer frames.
        """
        self._copied = self._frames
        if not self._copied:
            return
        kept = self._kept()  # of a run that ended before all had been copied
        counts = {path: frame_count(str(path)) for path in (self._real(), kept)}
        enough = [path for path, count in counts.items() if count >= self._copied]
        if not enough:
            raise NotResumableError(
                f"cannot continue {self._path}: expected {self._copied} frames or more, got "
                f"{max(counts.values())}; run without --resume to start over"
            )
        self._earlier = enough[0]

    def close(self, *, complete: bool = True) -> None:
        """Finishes the file, also after a run that stopped early; calling it again does nothing.

        Raises:
            OutputError: The file could not be finished.
        """
        with self._lock:
            self._close()

    def _close(self) -> None:
        file = self._file
        self._place.release()
        if file is None:
            return
        try:
            file.finish()
        except Exception as error:
            self._give_up(error)
        self._file = None
        if self._earlier is not None:
            self._earlier.unlink(missing_ok=True)
        self._status = self._counted()
        if file.sound_problem:
            self._status += f", sound incomplete ({file.sound_problem})"

    def _open(self, info: VideoInfo, image: UInt8Array, time_s: float) -> EncoderThread:
        kept = self._kept()
        if self._earlier is None:
            kept.unlink(missing_ok=True)
        elif self._earlier != kept:
            self._earlier = self._earlier.replace(kept)
        file = EncoderThread(self._recording(info, image, time_s))
        if self._earlier is not None:
            self._file = file
            file.copy(str(self._earlier), self._copied)
        return file

    def _real(self) -> Path:
        """Returns the file itself: a link stays where it is, and what it leads to is replaced."""
        return Path(os.path.realpath(self._path))

    def _kept(self) -> Path:
        return Path(f"{self._real()}{EARLIER}")

    def _recording(self, info: VideoInfo, image: UInt8Array, time_s: float) -> Recording:
        """Returns the open file, with the first of the encoders that can be opened.

        Raises:
            OSError: The file cannot be opened.
            av.FFmpegError: No encoder can be opened.
        """
        # A run that continues another one takes its encoder.
        names = self._encoders if self._used is None else (VideoEncoder(self._used),)
        *others, last = names
        for name in others:
            try:
                return self._recording_by(name, info, image, time_s)
            except (ValueError, NotImplementedError, av.FFmpegError) as error:
                _log.info("%s: %s cannot be opened (%s)", self._path, name, error)
        return self._recording_by(last, info, image, time_s)

    def _recording_by(
        self, name: VideoEncoder, info: VideoInfo, image: UInt8Array, time_s: float
    ) -> Recording:
        crf, preset = self._settings.crf, self._settings.preset
        if name is VideoEncoder.X264:
            encoder = Encoder.x264(crf, preset, image.shape[:2])
        else:
            encoder = Encoder.of_hardware(name, crf)
        disk = Disk(self._place)
        try:
            recording = Recording(disk, self._container_name, encoder, info, image, time_s)
        except BaseException:
            disk.close()
            Path(self._path).unlink(missing_ok=True)
            raise
        self._used = name.value
        return recording

    def _counted(self) -> str:
        return "1 frame" if self._frames == 1 else f"{self._frames} frames"

    def _give_up(self, error: Exception) -> None:
        """Keeps a playable file, removes any other, and raises."""
        file, self._file = self._file, None
        cause = _cause(error)
        self._failure = output_error(self._path, cause)
        if file is None:  # It was never opened, or `_open` has removed it.
            self._status = f"nothing written ({reason(cause)})"
            raise self._failure from error
        if not file.abandon():
            self._status = f"lost ({reason(cause)})"
            raise self._failure from error
        if self._container_name != "matroska":
            cut_to_whole_parts(self._path)
        if plays(self._path):
            self._status = f"cut short ({reason(cause)}); plays up to its last complete part"
        else:
            Path(self._path).unlink(missing_ok=True)
            self._status = f"not finished, removed ({reason(cause)})"
        raise self._failure from error


def _encoder_name(name: str) -> VideoEncoder:
    names = [one.value for one in VideoEncoder if one is not VideoEncoder.AUTO]
    if name not in names:
        raise ConfigError(
            f"encoders: expected {', '.join(names)}, got {name!r}{nearest(name, names)}"
        )
    return VideoEncoder(name)


def _cause(error: Exception) -> OSError:
    """Returns an error of writing for one of any kind."""
    # FFmpeg's own errors use error numbers that have another meaning for the system.
    if isinstance(error, av.FFmpegError):
        return OSError(0, f"the encoder failed: {error.strerror or error}")
    if isinstance(error, OSError):
        return error
    if isinstance(error, MemoryError):
        return OSError(errno.ENOMEM, "out of memory")
    if isinstance(error, RuntimeError) and _NO_THREAD in str(error):
        return OSError(errno.EAGAIN, "no thread can be started for it (ulimit -u, ulimit -v)")
    text = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
    return OSError(0, f"the encoder failed: {text}")


def _container_name(path: str) -> str:
    ending = Path(path).suffix.lower()
    if ending not in _CONTAINERS:
        raise OutputError(
            f"cannot write {path}: expected a name that ends in {', '.join(_CONTAINERS)}, "
            f"got {ending or 'no ending'!r}"
        )
    return _CONTAINERS[ending]
