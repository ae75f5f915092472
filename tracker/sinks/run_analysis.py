"""Analytics of one source during a run: events for the sinks, counts for drawings and footers."""

from collections.abc import Mapping
from typing import Any

from tracker.analytics.analyser import Analyser
from tracker.analytics.events import Event
from tracker.analytics.report import count_lines
from tracker.analytics.settings import AnalyticsSettings, pixel_scale
from tracker.analytics.stateful import ANALYTICS
from tracker.sinks.draw_style import DrawStyle
from tracker.sinks.stored_pixels import in_stored_pixels
from tracker.tracks import RunInfo, TrackedFrame
from tracker.util.arrays import UInt8Array
from tracker.util.plain_state import PlainState, restore, state_of


class RunAnalysis:
    """Follows the results of one source; an overlay for its drawing sinks.

    Args:
        settings: Zones, lines and calibration.
    """

    def __init__(self, settings: AnalyticsSettings) -> None:
        self._settings = settings
        self._analyser: Analyser | None = None
        self._scale = (1.0, 1.0)
        self._frame_size = (1, 1)
        self._restored: PlainState = None

    @property
    def analyser(self) -> Analyser | None:
        """What counts; `None` before the first result."""
        return self._analyser

    def update(self, result: TrackedFrame) -> tuple[Event, ...]:
        """Returns the events that are certain with one more result.

        Raises:
            ConfigError: A class of the settings is none of the detector's, or the calibration fits
                no plane.
            DataError: The state to continue from does not fit the zones and lines.
        """
        if self._analyser is None:
            self._analyser = self._begun(result.run)
        if result.is_coasted:
            return ()
        return self._analyser.update(in_stored_pixels(result).tracks, result.frame.time_s)

    def state(self) -> PlainState:
        """Returns the state after the results so far."""
        if self._analyser is None:
            return self._restored  # No result has followed yet.
        return state_of(self._analyser, ANALYTICS)

    def restore(self, state: PlainState) -> None:
        """Makes the first result continue after a state; it is checked then."""
        self._restored = state

    def finish(self) -> tuple[Event, ...]:
        """Returns the events of the end of the run."""
        return () if self._analyser is None else self._analyser.finish()

    def counts(self) -> Mapping[str, Any]:
        """Returns the counts as plain JSON types, for footers."""
        return {} if self._analyser is None else self._analyser.summary()

    def lines(self) -> list[str]:
        """Returns the counts for the summary of a run."""
        return [] if self._analyser is None else count_lines(self._analyser.counts)

    def zones_of_tracks(self) -> Mapping[int, int]:
        """Returns the index of the first zone of each track that is in one, by id."""
        return {} if self._analyser is None else self._analyser.zones_of_tracks()

    def draw_outlines(self, canvas: UInt8Array, style: DrawStyle) -> None:
        """Draws zones and lines."""
        if self._analyser is not None:
            from tracker.sinks.draw_zones import draw_outlines

            draw_outlines(canvas, self._analyser.settings, self._scale_on(canvas), style)

    def draw_counts(self, canvas: UInt8Array, style: DrawStyle) -> None:
        """Draws the counts of zones and lines."""
        if self._analyser is not None:
            from tracker.sinks.draw_zones import draw_counts

            draw_counts(canvas, self._analyser, self._scale_on(canvas), style)

    def _scale_on(self, canvas: UInt8Array) -> tuple[float, float]:
        """Returns the factors from coordinates of the settings to pixels of an image."""
        (x, y), (width, height) = self._scale, self._frame_size
        return x * canvas.shape[1] / width, y * canvas.shape[0] / height

    def _begun(self, run: RunInfo) -> Analyser:
        video = run.video
        self._frame_size = video.width, video.height
        size = video.stored_size or (video.width, video.height)
        x, y = video.stored_scale
        stored = pixel_scale(self._settings, size)
        self._scale = stored[0] / x, stored[1] / y
        analyser = Analyser(self._settings, size, run.class_names, pixel_aspect=y / x)
        if self._restored is not None:
            restore(analyser, self._restored, ANALYTICS)
        return analyser
