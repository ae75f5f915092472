"""Frames of a stream, from what arrives over a connection.

Comes in: arrivals. Goes out: numbered and timed `Frame`s, all of one size.
"""

import logging
from fractions import Fraction

from tracker.errors import SourceError
from tracker.frames import Frame, VideoInfo
from tracker.sources.files.to_rgb import PictureForm, orientation_of, to_rgb
from tracker.sources.files.video_facts import size_text
from tracker.sources.live.connection import Arrival, StreamFacts
from tracker.sources.live.stream_clock import StreamClock

_log = logging.getLogger(__name__)


class FrameMaker:
    """Numbers, times and converts the frames of one stream, over all its connections.

    Args:
        source: The stream as messages and results name it.
        facts: What it is.
        first: Its first frame, which `make` has yet to be given.
        is_live: Whether frames have a time of capture.
    """

    def __init__(self, source: str, facts: StreamFacts, first: Arrival, *, is_live: bool) -> None:
        if facts.note is not None:
            _log.info("%s: %s", source, facts.note)
        self.skipped = 0
        self._is_timed = facts.is_timed
        self._is_live = is_live
        self._form = PictureForm(
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
        """Notes that what comes now is of another connection."""
        self._clock.reconnected()

    def time(self, arrival: Arrival) -> float:
        """Returns the time of the next frame in seconds; to be asked once for each, in order."""
        arrived_s = arrival.arrived_s if self._is_live else None
        return self._clock.seconds(self.stamp(arrival), arrived_s)

    def stamp(self, arrival: Arrival) -> Fraction | None:
        """Returns a frame's own stamp in seconds; `None` if it has none."""
        frame = arrival.frame
        if not self._is_timed or frame.pts is None or frame.time_base is None:
            return None
        return Fraction(frame.pts) * frame.time_base

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
        size = (arrival.frame.width, arrival.frame.height)
        if size != self._form.stored:
            raise SourceError(
                f"{self.info.source}: frame {self._index} is {size_text(size)} where the first "
                f"one was {size_text(self._form.stored)}: its settings were changed; run it again"
            )
        image = to_rgb(arrival.frame, self._form)
        # A recording leaves gaps for what could not be decoded; of something live it is not known.
        index = self._index if self._is_live else self._index + arrival.lost
        self._index = index + 1
        captured_s, wall_s = clocks if self._is_live else (None, None)
        return Frame(image, index, time_s, self.info.source, wall_s, captured_s)
