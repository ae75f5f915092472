"""A video from standard input or a named pipe.

Any container, or raw H.264 or MJPEG; every frame is read.
"""

import io
import os
import selectors
import sys
import weakref
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import BinaryIO

from tracker.errors import SourceError
from tracker.frames import Frame, VideoInfo
from tracker.sources.containers import open_container
from tracker.sources.files.decoding import Decoding
from tracker.sources.files.early_end import HEAD_BYTES, Bytes, bytes_of
from tracker.sources.live.connection import Arrival, Connection
from tracker.sources.live.settings import FramePolicy, LiveSettings
from tracker.sources.live.stream_errors import Failure, StreamLostError
from tracker.sources.live.stream_frames import FrameMaker
from tracker.sources.source_kind import PIPE
from tracker.util.channel import Cancelled
from tracker.util.closing import Closing

_INDEX_LAST = Failure(
    "expected an MP4 that begins with its index, got one that does not, which a pipe cannot read",
    f"name the file in place of {PIPE}, or write it with -movflags +faststart, or as Matroska",
)

_NOTHING = Failure("expected a video, got nothing (0 bytes)", "check the program that writes it")


class Pipe(Closing):
    """Standard input, or a named pipe, as a source of frames.

    A pipe blocks its writer, so no frame is lost, and `info.is_live` is false. With
    `settings.policy` `newest` it is live: frames are stamped with their arrival. There is no
    timeout, since the writer may be slow to start, and no reconnecting.

    Args:
        settings: Only `policy` is used.
        decoding: Which of its video streams is read.
        file: The file to read; `None` to open `name`.
        name: `-` for standard input, or the path of a named pipe, which is opened here.

    Raises:
        SourceError: The input is missing, empty, or not a readable video.
    """

    def __init__(
        self,
        settings: LiveSettings | None = None,
        *,
        decoding: Decoding | None = None,
        file: BinaryIO | None = None,
        name: str = PIPE,
    ) -> None:
        policy = (settings or LiveSettings()).policy
        self._named = _named_pipe(name) if file is None and name != PIPE else None
        self._readable = readable = _Readable(file or self._named or _standard_input())
        self._connection = Connection(
            name,
            lambda: open_container(readable),
            decoding,
            recording=None if policy is FramePolicy.NEWEST else readable.data,
        )
        try:
            facts = self._connection.opened(None)
            first = self._connection.first(None)
        except BaseException as error:
            self._release()
            if isinstance(error, StreamLostError):
                failure = _INDEX_LAST if readable.is_mp4_in_a_pipe else error.failure
                failure = _NOTHING if readable.is_empty else failure
                raise SourceError(f"{name}: {failure}") from None
            raise
        self._maker = FrameMaker(name, facts, first, is_live=policy is FramePolicy.NEWEST)
        self._lost = 0
        self._frames = self._read(first)

    @property
    def info(self) -> VideoInfo:
        """The facts known before the first frame."""
        return self._maker.info

    @property
    def skipped(self) -> int:
        """Frames so far that could not be decoded."""
        return self._maker.skipped + self._lost

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """Stops reading; an iteration under way in another thread ends at once."""
        self._release()
        # ValueError: another thread is inside the generator; its next wait ends it.
        with suppress(ValueError):
            self._frames.close()

    def _release(self) -> None:
        self._readable.stop()
        self._connection.close()
        if self._named is not None:
            self._named.close()

    def _read(self, first: Arrival) -> Generator[Frame]:
        arrival = first
        try:
            while True:
                time_s = self._maker.time(arrival, arrival.arrived_s)
                clocks = arrival.arrived_s, arrival.arrived_wall_s
                yield self._maker.make(arrival, time_s, clocks)
                item = self._connection.receive(None)
                if not isinstance(item, Arrival):
                    break
                arrival = item
            self._lost += item.lost
            if item.failure is not None:
                raise SourceError(f"{self._maker.info.source}: {item.failure}")
        except Cancelled:
            return
        finally:
            self._connection.close()


def _named_pipe(path: str) -> BinaryIO:
    """Returns an open named pipe, once a writer has opened it as well."""
    try:
        return open(path, "rb", buffering=0)
    except OSError as error:
        raise SourceError(f"{path}: cannot be opened: {error.strerror}") from error


def _standard_input() -> BinaryIO:
    if sys.stdin is None or sys.stdin.isatty():  # None: the parent process closed it
        got = "nothing" if sys.stdin is None else "a terminal"
        raise SourceError(
            f"{PIPE}: expected a video piped in, got {got}; try: ffmpeg -i INPUT -f mpegts - | "
            f"tracker run {PIPE}"
        )
    return sys.stdin.buffer


def _close_both(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


class _Readable:
    """A file as PyAV reads it: each read returns what is there, and blocks only where nothing is.

    For a buffered file, the underlying raw file is read: a thread that blocks in the buffer's lock
    would make Python abort when the program ends. `stop` ends a read that blocks, where the system
    can wait for two descriptors at once (not on Windows).
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file.raw if isinstance(file, io.BufferedReader) else file
        self._owner = file  # an unreferenced buffer closes its raw file
        self._beginning = b""
        self._stop_read, self._stop_write = os.pipe()
        weakref.finalize(self, _close_both, self._stop_read, self._stop_write)
        self._size = 0
        self.name = PIPE

    @property
    def is_mp4_in_a_pipe(self) -> bool:
        """Whether it is an MP4 or MOV that is not seekable."""
        return self._beginning[4:8] == b"ftyp" and not self.seekable()

    @property
    def is_empty(self) -> bool:
        """Whether no byte has been read."""
        return not self._size

    def read(self, size: int) -> bytes:
        """Returns up to `size` bytes, and none at the end."""
        if not self._wait():
            return b""
        data = self._file.read(size) or b""
        if len(self._beginning) < HEAD_BYTES:
            self._beginning += data[: HEAD_BYTES - len(self._beginning)]
        self._size += len(data)
        return data

    def stop(self) -> None:
        """Ends a read that blocks, in any thread, and all later ones."""
        os.write(self._stop_write, b"x")

    def _wait(self) -> bool:
        """Waits for data or the end; returns whether that was before `stop`."""
        try:
            # poll, where available: select fails for descriptors above 1023.
            with selectors.DefaultSelector() as selector:
                selector.register(self._stop_read, selectors.EVENT_READ)
                selector.register(self._file, selectors.EVENT_READ)
                ready = [key.fd for key, _ in selector.select()]
        except (OSError, ValueError):  # in memory, an ordinary file, or not on this system
            return True
        return self._stop_read not in ready

    def data(self) -> Bytes:
        """Returns access to the input's bytes; call after end of stream."""
        if self.seekable():
            return bytes_of(self._file)
        return Bytes(self._size, lambda offset, count: self._beginning[offset:][:count])

    def seekable(self) -> bool:
        """Returns whether it is a regular file, as in `tracker run - < video.mp4`."""
        return self._file.seekable()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Moves to another position and returns it."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Returns the position."""
        return self._file.tell()
