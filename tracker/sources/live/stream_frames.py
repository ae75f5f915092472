"""Numbered and timed frames, all of one size, from the arrivals of a stream."""

import logging
from fractions import Fraction

from tracker.errors import SourceError
from tracker.frames import Frame, VideoInfo
from tracker.sources.files.to_rgb import DisplayForm, orientation_of, to_rgb
from tracker.sources.files.video_facts import size_text
from tracker.sources.live.connection import Arrival, StreamFacts
from tracker.sources.live.stream_clock import StreamClock

_log = logging.getLogger(__name__)


class FrameMaker:
    """Numbers, times and converts the frames of one stream, over all its connections.

    Args:
        source: The stream as messages and results name it.
        facts: Its facts.
        first: Its first frame; it still has to be passed to `make`.
        is_live: Whether frames have a time of capture.
    """

    def __init__(self, source: str, facts: StreamFacts, first: Arrival, *, is_live: bool) -> None:
        if facts.note is not None:
            _log.info("%s: %s", source, facts.note)
        self.skipped = 0
        self._is_timed = facts.is_timed
        self._is_live = is_live
        self._form = DisplayForm(
            stored=(first.frame.width, first.frame.height),
            pixel_aspect=facts.pixel_aspect,
            orientation=orientation_of(first.frame),
        )
        width, height = self._form.delivered
        self.info = VideoInfo(
            source=source,
            width=width,
            height=height,
            fps=facts.rate,
            time_base=facts.time_base,
            is_live=is_live,
            stored_size=self._form.upright_stored,
        )
        self._clock = StreamClock(facts.time_base, facts.rate)
        self._index = 0

    def reconnected(self) -> None:
        """Marks the following arrivals as those of a new connection."""
        self._clock.reconnected()

    def time(self, arrival: Arrival, captured_s: float) -> float:
        """Returns the time of the next frame in seconds; call it once for each, in order.

        Args:
            arrival: What arrived.
            captured_s: When it was captured, on `time.monotonic`, as far as that is known. A frame
                that waited in a buffer arrived later, and would make a gap seem longer or shorter.
        """
        return self._clock.seconds(self.stamp(arrival), captured_s if self._is_live else None)

    def stamp(self, arrival: Arrival) -> Fraction | None:
        """Returns a frame's own stamp in seconds; `None` if it has none."""
        frame = arrival.frame
        if not self._is_timed or frame.pts is None or frame.time_base is None:
            return None
        return Fraction(frame.pts) * frame.time_base

    def fits(self, arrival: Arrival) -> bool:
        """Returns whether a frame has the size of the first one."""
        return (arrival.frame.width, arrival.frame.height) == self._form.stored

    def make(self, arrival: Arrival, time_s: float, clocks: tuple[float, float]) -> Frame:
        """Returns the next frame.

        Args:
            arrival: What arrived.
            time_s: Its time.
            clocks: When it was captured, on `time.monotonic` and in Unix time.

        Raises:
            SourceError: It has another size than the first one.
        """
        self.skipped += arrival.lost
        if not self.fits(arrival):
            size = (arrival.frame.width, arrival.frame.height)
            raise SourceError(
                f"{self.info.source}: frame {self._index} is {size_text(size)} where the first "
                f"one was {size_text(self._form.stored)}: its settings were changed; run it again"
            )
        image = to_rgb(arrival.frame, self._form)
        # Undecodable frames leave gaps in a recording; in a live stream their number is unknown.
        index = self._index if self._is_live else self._index + arrival.lost
        self._index = index + 1
        captured_s, wall_s = clocks if self._is_live else (None, None)
        return Frame(image, index, time_s, self.info.source, wall_s, captured_s)
