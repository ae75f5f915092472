"""Frames of a recording that is read once from beginning to end, as from a pipe.

Time stamps and losses equal those of `VideoFile` on the same bytes.
"""

import logging
from collections.abc import Callable, Iterator

from av import VideoFrame

from tracker.sources.containers import as_fraction
from tracker.sources.files.decoding import Deinterlace
from tracker.sources.files.deinterlace import deinterlaced
from tracker.sources.files.early_end import HINT, Bytes, PacketTail, early_end
from tracker.sources.files.packets import OpenVideo, VideoPacket, decoded_frames
from tracker.sources.files.video_facts import ANY_STAMP, numbering_of
from tracker.sources.live.stream_errors import Failure
from tracker.sources.packet_stamps import (
    gap_text,
    nominal_rate,
    stamp_kind,
    stamp_rules,
    unbroken_packets,
)
from tracker.sources.unbroken_stamps import UnbrokenStamps

_log = logging.getLogger(__name__)


class FrontToBack:
    """Decodes a recording whose packets can be read only once.

    Args:
        video: The open recording.
        source: Its name for messages.
        deinterlace: Which frames are deinterlaced.
    """

    def __init__(self, video: OpenVideo, source: str, deinterlace: Deinterlace) -> None:
        self.lost = 0
        """Frames since the last one returned that could not be decoded."""
        self._video = video
        self._source = source
        self._deinterlace = deinterlace
        self._kind = stamp_kind(video.container, video.stream)
        self._numbering = numbering_of(self._kind, 0, ANY_STAMP)
        self._tail = PacketTail()
        self._end_s = 0.0

    def frames(self, packets: Iterator[VideoPacket]) -> Iterator[VideoFrame]:
        """Returns the frames, in order of presentation, with continuous time stamps."""
        stream, numbering = self._video.stream, self._numbering
        stamps: UnbrokenStamps[VideoPacket] = UnbrokenStamps(
            stamp_rules(self._video.container, stream), self._report_gap
        )
        unbroken = unbroken_packets(self._tail.watch(packets), stamps, self._kind)
        first: int | None = None
        following: int | None = None
        interval_s = float(1 / nominal_rate(stream))
        decoded = decoded_frames(self._video, unbroken, numbering)
        for frame in deinterlaced(decoded, self._deinterlace, self._source):
            index, stamp = numbering.decoded(frame.pts)
            self.lost = 0 if following is None else index - following
            following = index + 1
            if stamp is not None and stream.time_base is not None:
                frame.pts, frame.time_base = stamp, stream.time_base
                first = stamp if first is None else first
                self._end_s = float((stamp - first) * stream.time_base) + interval_s
            yield frame
            self.lost = 0
        before = numbering.skipped
        numbering.finish()
        self.lost = numbering.skipped - before

    def failure(self, data: Callable[[], Bytes]) -> Failure | None:
        """Returns why the recording is cut off, `None` where it is complete."""
        early = early_end(
            self._video.container, self._video.stream, self._tail, data(), self._end_s
        )
        return None if early is None else Failure(early, HINT)

    def _report_gap(self, ticks: int) -> None:
        if (time_base := self._video.stream.time_base) is not None:
            _log.warning("%s: %s", self._source, gap_text(ticks, as_fraction(time_base)))
