"""Live network streams that reconnect after a loss; numbers and times of frames continue."""

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress

from tracker.errors import SourceError
from tracker.frames import Frame, VideoInfo
from tracker.sources.live.capture_time import CaptureTimes
from tracker.sources.live.connection import Arrival, Connection, Ended, StreamFacts
from tracker.sources.live.hls_smoothing import Pacer
from tracker.sources.live.reconnect import attempts, given_up
from tracker.sources.live.settings import LiveSettings
from tracker.sources.live.stream_errors import Failure, StreamLostError
from tracker.sources.live.stream_frames import FrameMaker
from tracker.util.channel import Cancelled
from tracker.util.closing import Closing

_log = logging.getLogger(__name__)

_END = Failure("its server ended it", "check the server")


class LiveStream(Closing):
    """A live stream as a source of frames.

    Iterating waits for frames; it ends only by `close`, at once and from any thread, or by an
    error. It is read once; an interrupted iteration continues where it stopped.

    Args:
        source: The stream as messages and results name it, without credentials.
        connect: Makes a new connection.
        connection: The first one, already open.
        facts: The facts of the stream.
        settings: Timeouts and reconnection.

    Raises:
        SourceError: There was no first frame.
    """

    def __init__(
        self,
        source: str,
        *,
        connect: Callable[[], Connection],
        connection: Connection,
        facts: StreamFacts,
        settings: LiveSettings,
    ) -> None:
        self._source = source
        self._connect = connect
        self._connection = connection
        self._settings = settings
        self._closed = threading.Event()
        self._swap = threading.Lock()
        self._reconnects = 0
        try:
            first = connection.first(settings.stall_s)
        except StreamLostError as error:
            connection.close()
            raise SourceError(f"{source}: {error.failure}") from None
        self._maker = FrameMaker(source, facts, first, is_live=True)
        self._lost = 0
        self._fitted_s: float | None = None
        """When this connection's last frame of the right size arrived."""
        self._last_s = first.arrived_s
        self._connected_s = time.monotonic()
        self._capture = CaptureTimes()
        self._pacer = Pacer(self._closed) if facts.is_segmented else None
        self._frames = self._read(first)

    @property
    def info(self) -> VideoInfo:
        """The facts known before the first frame."""
        return self._maker.info

    @property
    def skipped(self) -> int:
        """Frames so far that could not be decoded."""
        return self._maker.skipped + self._lost

    @property
    def reconnects(self) -> int:
        """Number of reconnections so far."""
        return self._reconnects

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """Ends the connection; an iteration under way in another thread ends at once."""
        self._closed.set()
        with self._swap:
            self._connection.close()
        # ValueError: another thread is inside the generator; its next wait ends it.
        with suppress(ValueError):
            self._frames.close()

    def _read(self, first: Arrival) -> Generator[Frame]:
        arrival: Arrival | None = first
        try:
            while arrival is not None:
                self._last_s = arrival.arrived_s
                if self._is_damaged(arrival):
                    self._lost += 1 + arrival.lost
                    arrival = self._next()
                    continue
                if self._pacer is None:
                    clocks = self._captured(arrival)
                    time_s = self._maker.time(arrival, clocks[0])
                else:
                    time_s = self._maker.time(arrival, arrival.arrived_s)
                    clocks = self._pacer.wait(time_s)
                if self._closed.is_set():
                    return
                yield self._maker.make(arrival, time_s, clocks)
                arrival = self._next()
        except Cancelled:
            return
        finally:
            self._connection.close()

    def _is_damaged(self, arrival: Arrival) -> bool:
        """Returns whether a frame is left out, as its size was damaged on the way.

        A bit that flips in H.264's parameter sets changes the size until the next ones. A camera
        that was set to another size keeps it.
        """
        if self._maker.fits(arrival):
            self._fitted_s = arrival.arrived_s
            return False
        fitted_s = self._fitted_s
        return fitted_s is not None and arrival.arrived_s - fitted_s < self._settings.stall_s

    def _captured(self, arrival: Arrival) -> tuple[float, float]:
        """Returns when a frame was taken, on `time.monotonic` and in Unix time."""
        stamp = self._maker.stamp(arrival)
        if stamp is None:
            return arrival.arrived_s, arrival.arrived_wall_s
        captured_s = self._capture.at(float(stamp), arrival.arrived_s)
        return captured_s, arrival.arrived_wall_s - (arrival.arrived_s - captured_s)

    def _next(self) -> Arrival | None:
        """Returns the next frame, reconnecting if necessary; `None` after `close`."""
        item = self._connection.receive(self._settings.stall_s)
        if isinstance(item, Arrival):
            return item
        return self._reconnected(item)

    def _reconnected(self, ended: Ended) -> Arrival | None:
        self._lost += ended.lost
        failure = ended.failure or _END
        reconnect = self._settings.reconnect
        if reconnect.attempts != 0:
            _log.warning("%s: lost: %s; reconnecting", self._source, failure.what)
        lasted_s = time.monotonic() - self._connected_s
        for number in attempts(reconnect, self._closed, lasted_s=lasted_s):
            try:
                arrival = self._try_again()
            except StreamLostError as error:
                failure = error.failure
                _log.debug("%s: attempt %d: %s", self._source, number, failure)
                continue
            if arrival is None:
                _log.warning("%s: ended: its server now has it as a recording", self._source)
                return None
            self._reconnects += 1
            gap_s = arrival.arrived_s - self._last_s
            _log.warning("%s: back after %.1f s without frames", self._source, gap_s)
            self._maker.reconnected()
            self._capture = CaptureTimes()
            self._fitted_s = None
            self._connected_s = time.monotonic()
            return arrival
        if self._closed.is_set():
            return None
        raise given_up(self._source, failure.what, reconnect)

    def _try_again(self) -> Arrival | None:
        """Returns the first frame of a new connection; `None` where it is no longer live."""
        with self._swap:
            self._connection.close()
            if self._closed.is_set():
                raise Cancelled
            self._connection = self._connect()
        facts = self._connection.opened(self._settings.open_timeout_s)
        if self._pacer is not None and facts.is_finite:
            return None  # The playlist is now complete, and all of it was read.
        return self._connection.first(self._settings.stall_s)
