"""The sinks of one source of a run, and their state for checkpoints."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tracker.errors import DataError, TrackerError
from tracker.sinks.continued import ContinuedSink
from tracker.tracks import Sink, TrackedFrame
from tracker.util.plain_state import PlainState, restore, state_of

if TYPE_CHECKING:
    from tracker.sinks.event_file import EventSink
    from tracker.sinks.run_analysis import RunAnalysis


@dataclass(frozen=True, slots=True)
class SourceSinks:
    """The sinks of one source.

    Attributes:
        sinks: The sinks.
        is_stopped: Returns whether the user has closed the window or pressed the key that stops.
        poll: Handles window events while there is no frame.
        analysis: Zones and lines; `None` without.
    """

    sinks: Sequence[Sink]
    is_stopped: Callable[[], bool]
    poll: Callable[[], None]
    analysis: "RunAnalysis | None" = None

    def write(self, result: TrackedFrame) -> None:
        """Writes one result, then its events.

        Raises:
            OutputError: An output cannot be written.
            ConfigError: The zones do not suit the source.
        """
        events = () if self.analysis is None else self.analysis.update(result)
        for sink in self.sinks:
            sink.write(result)
        for taker in self._event_sinks() if events else ():
            taker.write_events(events)

    def close(self, *, complete: bool) -> TrackerError | None:
        """Closes every sink; returns the first error, or `None`.

        Raises:
            Exception: An error of another kind, after all sinks were closed.
        """
        errors: list[Exception] = []
        steps: list[Callable[[], None]] = [self._end_analysis]
        steps += [partial(sink.close, complete=complete) for sink in self.sinks]
        for step in steps:
            try:
                step()
            except Exception as error:
                errors.append(error)
        for other in errors:
            if not isinstance(other, TrackerError):
                raise other
        return next((one for one in errors if isinstance(one, TrackerError)), None)

    def state(self) -> PlainState:
        """Returns the state after the results so far; each sink is of a class of `SINKS`."""
        from tracker.sinks.stateful import SINKS

        return {
            "sinks": [state_of(sink, SINKS) for sink in self.sinks],
            "analysis": None if self.analysis is None else self.analysis.state(),
        }

    def restore(self, state: PlainState) -> None:
        """Makes the first result continue existing files after a state.

        Raises:
            DataError: It is not of such sinks.
            OutputError: A file is missing, or shorter than the state says.
        """
        from tracker.sinks.stateful import SINKS

        if not (isinstance(state, dict) and len(state.get("sinks", ())) == len(self.sinks)):
            raise DataError(f"expected the state of {len(self.sinks)} outputs, got something else")
        for sink, own in zip(self.sinks, state["sinks"], strict=True):
            restore(sink, own, SINKS)
            if isinstance(sink, ContinuedSink):
                sink.continue_file()
        if self.analysis is not None:
            self.analysis.restore(state.get("analysis"))

    def is_on_disk(self, results: int) -> bool:
        """Returns whether the first `results` results are in all files for good.

        Raises:
            OSError: The system cannot write them.
        """
        # Videos come last; as long as one lacks frames, nothing is flushed.
        return all(
            sink.is_on_disk(results)
            for sink in reversed(self.sinks)
            if isinstance(sink, ContinuedSink)
        )

    def count_lines(self) -> list[str]:
        """Returns the counts of zones and lines for the summary of a run."""
        return [] if self.analysis is None else self.analysis.lines()

    def _end_analysis(self) -> None:
        """Writes the last events and the counts to all sinks that take events.

        Raises:
            TrackerError: The first error, after all were tried.
        """
        if self.analysis is None:
            return
        events, counts = self.analysis.finish(), self.analysis.counts()
        errors: list[TrackerError] = []
        for sink in self._event_sinks():
            try:
                sink.write_events(events)
                sink.write_counts(counts)
            except TrackerError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _event_sinks(self) -> "list[EventSink]":
        from tracker.sinks.event_file import EventSink

        return [sink for sink in self.sinks if isinstance(sink, EventSink)]

    def error_text(self, error: TrackerError) -> str:
        """Returns the error message with the state of each output."""
        # The status of the failed sink repeats the message.
        states = [sink.status.replace(f" ({error})", "") for sink in self.sinks if sink.status]
        return f"{error} ({'; '.join(states)})" if states else str(error)
