"""Where results come from: sources with detection, or recordings that are played back."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction
from typing import Protocol

import numpy as np

from tracker.config.build import open_source
from tracker.config.run import Config
from tracker.errors import SourceError
from tracker.frames import Frame, Source, VideoInfo
from tracker.pipeline.frame_loop import SourceResult, close_together
from tracker.pipeline.multi import MultiPipeline
from tracker.serve.gate import Gate, GatedSource
from tracker.sinks.replayed_video import complete_recording, results_on_video
from tracker.sources.live.reconnect import attempts
from tracker.sources.source_kind import SourceKind, source_kind
from tracker.track_files.formats import DEFAULT_FPS
from tracker.track_files.frame_facts import FrameFacts
from tracker.track_files.json_file import Header, Recording
from tracker.tracks import TrackedFrame
from tracker.util.closing import Closing


class Playing(Protocol):
    """A feed that is open."""

    @property
    def info(self) -> VideoInfo:
        """The source."""
        ...

    @property
    def last_frame_s(self) -> float:
        """When the last frame was read, on `time.monotonic`."""
        ...

    def results(self, stop: threading.Event, idle: Callable[[], None]) -> Iterator[TrackedFrame]:
        """Yields the results; ends once `stop` is set.

        Args:
            stop: Ends it.
            idle: May be called ten times a second while there is no result.

        Raises:
            TrackerError: The source or a stage failed.
        """
        ...

    def close(self) -> None:
        """Ends the source; called by any thread."""
        ...


class Feed(Protocol):
    """Results that can be played again and again."""

    @property
    def is_live(self) -> bool:
        """Whether the source cannot be played again from its beginning."""
        ...

    @property
    def can_restart(self) -> bool:
        """Whether it can be opened again."""
        ...

    def open(
        self, gate: Gate, stop: threading.Event, lost: Callable[[str], None]
    ) -> Playing | None:
        """Returns the opened feed; `None` once `stop` is set.

        Args:
            gate: Pauses it.
            stop: Ends waiting for a source that cannot be opened yet.
            lost: Called with the reason where it has to wait.

        Raises:
            TrackerError: It cannot be opened.
        """
        ...


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PipelineFeed:
    """A source through the pipeline.

    Attributes:
        text: The source as the user typed it.
        config: The configuration.
        pipeline: Returns the pipeline, shared by all sources.
        paced: Whether files play at their own rate.
        name: What results call the source; `None` for the name that it has itself.
    """

    text: str
    config: Config
    pipeline: Callable[[], MultiPipeline]
    paced: bool
    name: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether it is a camera, a stream or a pipe."""
        kinds = (SourceKind.CAMERA, SourceKind.STREAM, SourceKind.PIPE)
        return source_kind(self.text) in kinds

    @property
    def can_restart(self) -> bool:
        """Standard input can be read once."""
        return source_kind(self.text) is not SourceKind.PIPE

    def open(
        self, gate: Gate, stop: threading.Event, lost: Callable[[str], None]
    ) -> Playing | None:
        """Returns the opened source; a camera or stream that cannot be opened is tried again."""
        source = self._opened(stop, lost)
        if source is None:
            return None
        gated = GatedSource(source, gate, paced=self.paced, name=self.name)
        return _PipelinePlaying(gated, self.pipeline, self.config)

    def _opened(self, stop: threading.Event, lost: Callable[[str], None]) -> Source | None:
        try:
            return open_source(self.text, self.config)
        except SourceError as error:
            reconnect = self.config.source.live.reconnect
            if not (self.is_live and self.can_restart) or reconnect.attempts == 0:
                raise
            last = error
        for _ in attempts(reconnect, stop):
            lost(str(last))
            try:
                return open_source(self.text, self.config)
            except SourceError as error:
                last = error
        if stop.is_set():
            return None
        raise last


class _GatedPlaying:
    """What is known of the source of a run that passes a gate."""

    def __init__(self, source: GatedSource) -> None:
        self._source = source

    @property
    def info(self) -> VideoInfo:
        return self._source.info

    @property
    def last_frame_s(self) -> float:
        return self._source.last_frame_s


class _PipelinePlaying(_GatedPlaying):
    def __init__(
        self, source: GatedSource, pipeline: Callable[[], MultiPipeline], config: Config
    ) -> None:
        super().__init__(source)
        self._pipeline, self._config = pipeline, config

    def results(self, stop: threading.Event, idle: Callable[[], None]) -> Iterator[TrackedFrame]:
        policy = self._config.source.live.policy
        events = self._pipeline().run([self._source], policy=policy, stop=stop, idle=idle)
        with closing(events):
            for event in events:
                if isinstance(event, SourceResult):
                    yield event.result
                elif event.error is not None:
                    raise event.error

    def close(self) -> None:
        close_together([self._source])


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RecordedFeed:
    """A recording, played back without any network.

    Attributes:
        load: Returns the recording.
        name: What messages call it.
        open_video: Opens the video that was tracked; `None` without images.
    """

    load: Callable[[], Recording]
    name: str
    open_video: Callable[[], Source] | None = None

    is_live = False
    can_restart = True

    def open(
        self, gate: Gate, stop: threading.Event, lost: Callable[[str], None]
    ) -> Playing | None:
        """Returns the recording, which plays at its own rate."""
        recording = complete_recording(self.load())
        source = _Blank(recording, self.name) if self.open_video is None else self.open_video()
        gated = GatedSource(source, gate, paced=True, name=self.name)
        return _RecordedPlaying(recording, gated)


class _RecordedPlaying(_GatedPlaying):
    def __init__(self, recording: Recording, source: GatedSource) -> None:
        super().__init__(source)
        self._recording = recording

    def results(self, stop: threading.Event, idle: Callable[[], None]) -> Iterator[TrackedFrame]:
        for result in results_on_video(self._recording, self._source):
            if stop.is_set():
                return
            yield result

    def close(self) -> None:
        self._source.close()


class _Blank(Closing):
    """The frames of a recording whose video is not at hand: times without images."""

    skipped = 0

    def __init__(self, recording: Recording, name: str) -> None:
        self._frames: tuple[FrameFacts, ...] = recording.frames
        header = recording.header or Header()
        fps = Fraction(recording.tracks.fps or DEFAULT_FPS).limit_denominator(1001)
        count = self._frames[-1].index + 1 if self._frames else 0
        size = (header.width, header.height)
        if recording.header is None:
            low = recording.tracks.boxes[:, 2:].max(axis=0, initial=1)
            size = (int(low[0]), int(low[1]))
        self.info = VideoInfo(name, *size, fps, 1 / fps, count)
        self._is_closed = False

    def __iter__(self) -> Iterator[Frame]:
        image = np.zeros((1, 1, 3), np.uint8)
        for facts in self._frames:
            if self._is_closed:
                return
            time_s = float(facts.index / self.info.fps) if facts.time_s is None else facts.time_s
            yield Frame(image, facts.index, time_s, self.info.source)

    def close(self) -> None:
        self._is_closed = True
