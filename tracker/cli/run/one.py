"""`tracker run` with one source."""

import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from types import FrameType

from tracker.cli.run.outputs import Outputs, SourceSinks, make_sinks
from tracker.cli.run.progress import RunProgress, RunStatistics, summary
from tracker.config.build import build_pipeline, open_source
from tracker.config.run import Config
from tracker.errors import OutputClosed, OutputError, OutputTakenError, SourceError, TrackerError
from tracker.frames import Reconnecting, Source
from tracker.sources.source_names import source_names
from tracker.tracks import TrackedFrame
from tracker.util.signals import termination_signals
from tracker.util.terminal import print_status


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Sources, configuration and outputs of `tracker run`.

    Attributes:
        sources: The sources as the user typed them, at least one.
        config: The resolved configuration.
        outputs: The output files and windows.
        progress: Whether a progress bar may be shown.
        config_file: Path of the configuration file; `None` if there is none.
    """

    sources: tuple[str, ...]
    config: Config
    outputs: Outputs = field(default_factory=Outputs)
    progress: bool = True
    config_file: str | None = None


class RunFailedError(TrackerError):
    """The run failed after it had started; the message includes the state of the outputs."""

    exit_code = 1


def run(request: RunRequest) -> int:
    """Processes one source, writes all outputs, and returns the exit code.

    Raises:
        RunFailedError: A stage or an output failed after the first frame was requested.
        OutputClosed: The reader of stdout has closed it.
        TrackerError: An error before that; nothing was written.
    """
    (text,) = request.sources
    config = request.config
    (sinks,) = make_sinks(
        [text], source_names([text]), config, request.outputs, config_file=request.config_file
    )
    pipeline = build_pipeline(config)
    statistics = RunStatistics()
    with open_source(text, config) as source, stop_on_signals() as stop:
        results = pipeline.run(
            source,
            policy=config.source.live.policy,
            stop=stop.event,
            idle=lambda: watch_windows([sinks], stop),
        )
        limited = islice(results, config.source.max_frames)
        try:
            with RunProgress(source.info, config.source.max_frames, shown=request.progress) as line:
                finished = _write_all(limited, sinks, line, statistics, stop)
        except TrackerError as error:
            sinks.close(complete=False)
            if isinstance(error, OutputClosed):
                raise
            if not statistics.frames and is_startup_error(error):
                raise
            raise RunFailedError(sinks.error_text(error)) from error
        except BaseException:
            sinks.close(complete=False)
            raise
        finally:
            source.close()  # Otherwise a reader blocked on a silent camera would not end.
            results.close()
            count_source(statistics, source)
        failure = sinks.close(complete=finished and not stop.signal_number)
        if failure is not None:
            raise RunFailedError(sinks.error_text(failure)) from failure
    print_status(*summary(source.info, statistics, [s.status for s in sinks.sinks]))
    print_status(*sinks.count_lines())
    return 128 + stop.signal_number if stop.signal_number else 0


def is_startup_error(error: TrackerError) -> bool:
    """Returns whether an error before the first result is one of wrong use or configuration.

    An unusable model or device is detected only then, and so is an output file that another
    process has locked meanwhile.
    """
    return isinstance(error, OutputTakenError) or not isinstance(error, SourceError | OutputError)


def count_source(statistics: RunStatistics, source: Source) -> None:
    """Copies the counters of a source: undecodable frames and reconnections."""
    statistics.skipped = source.skipped
    if isinstance(source, Reconnecting):
        statistics.reconnects = source.reconnects


def write_result(
    result: TrackedFrame, sinks: SourceSinks, line: RunProgress, statistics: RunStatistics
) -> None:
    """Writes one result to all sinks and counts it.

    Raises:
        OutputError: An output cannot be written.
    """
    start = time.perf_counter()
    sinks.write(result)
    written_s = time.perf_counter() - start
    statistics.add(result)
    if sinks.sinks:
        statistics.add_seconds("write", written_s)
    line.add(result)


def _write_all(
    results: Iterator[TrackedFrame],
    sinks: SourceSinks,
    line: RunProgress,
    statistics: RunStatistics,
    stop: "Stop",
) -> bool:
    """Writes all results; returns false if the user closed the window, which sets `stop`."""
    for result in results:
        write_result(result, sinks, line, statistics)
        if sinks.is_stopped():
            stop.event.set()
    return not sinks.is_stopped()


def watch_windows(sinks: Iterable[SourceSinks], stop: "Stop") -> None:
    """Handles window events while there is no result; sets `stop` if the user closed a window."""
    for source_sinks in sinks:
        source_sinks.poll()
        if source_sinks.is_stopped():
            stop.event.set()


class Stop:
    """Set by the first SIGINT, SIGTERM or SIGHUP.

    Attributes:
        event: Set once a signal was received.
        signal_number: Number of the signal, 0 before.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self.signal_number = 0


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Stops the run after the current frame at the first Ctrl-C, SIGTERM or SIGHUP.

    An exception inside an encoder call could leave an unplayable file. A second
    signal raises at once. A SIGHUP that is ignored, as under `nohup`, stays ignored.
    """
    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.signal_number:
            raise KeyboardInterrupt
        stop.signal_number = number
        stop.event.set()

    in_main_thread = threading.current_thread() is threading.main_thread()
    old = {}
    if in_main_thread:
        numbers = (signal.SIGINT, *termination_signals())
        old = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
