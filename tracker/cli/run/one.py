"""`tracker run` with one source."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice, takewhile
from types import FrameType
from typing import TYPE_CHECKING

from tracker.cli.run.outputs import Outputs, make_sinks
from tracker.cli.run.progress import RunProgress, RunStatistics, summary
from tracker.cli.run.resumable import resumption_of
from tracker.cli.run.source_sinks import SourceSinks
from tracker.config.build import build_pipeline, open_source
from tracker.config.run import Config
from tracker.errors import OutputClosed, OutputError, OutputTakenError, SourceError, TrackerError
from tracker.frames import Reconnecting, Source
from tracker.pipeline.single import Pipeline
from tracker.sources.source_names import source_names
from tracker.tracks import TrackedFrame
from tracker.util.signals import termination_signals
from tracker.util.terminal import print_status

if TYPE_CHECKING:
    from tracker.cli.run.checkpoints import Checkpoints
    from tracker.cli.run.resume import Resumption

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Sources, configuration and outputs of `tracker run`.

    Attributes:
        sources: The sources as the user typed them, at least one.
        config: The resolved configuration.
        outputs: The output files and windows.
        progress: Whether a progress bar may be shown.
        config_file: Path of the configuration file; `None` if there is none.
        resume: Whether an interrupted run is continued.
        until_s: Time of the first frame that is left out; `None` for none.
    """

    sources: tuple[str, ...]
    config: Config
    outputs: Outputs = field(default_factory=Outputs)
    progress: bool = True
    config_file: str | None = None
    resume: bool = False
    until_s: float | None = None


class RunFailedError(TrackerError):
    """The run failed after it had started; the message includes the state of the outputs."""

    exit_code = 1


def run(
    request: RunRequest,
    pipeline: Pipeline | None = None,
    on_result: Callable[[TrackedFrame], None] | None = None,
    stop: "Stop | None" = None,
) -> int:
    """Processes one source, writes all outputs, and returns the exit code.

    Args:
        request: What to do.
        pipeline: Of the same configuration, if it has been built before.
        on_result: Is called with each result once it has been written.
        stop: Interrupts the run, as signals do, where another thread sets it.

    Raises:
        RunFailedError: A stage or an output failed after the first frame was requested.
        OutputClosed: The reader of stdout has closed it.
        TrackerError: An error before that; nothing was written.
    """
    (text,) = request.sources
    kept = resumption_of(
        text, request.config, request.outputs, resume=request.resume, until_s=request.until_s
    )
    if kept is None:
        return _run(request, pipeline, None, on_result, stop)
    try:
        if request.resume and not kept.read():
            kept.check_same_run(pipeline or build_pipeline(request.config))
            print_status(f"{text}: its outputs are complete; there is nothing to resume")
            return 0
        return _run(request, pipeline, kept, on_result, stop)
    finally:
        kept.close()


def _run(
    request: RunRequest,
    pipeline: Pipeline | None,
    kept: "Resumption | None",
    on_result: Callable[[TrackedFrame], None] | None,
    given_stop: "Stop | None",
) -> int:
    (text,) = request.sources
    config = request.config
    (sinks,) = make_sinks(
        [text], source_names([text]), config, request.outputs, config_file=request.config_file
    )
    pipeline = pipeline or build_pipeline(config)
    statistics = RunStatistics()
    with open_source(text, config) as whole, stop_on_signals(given_stop) as stop:
        snapshots = (
            None if kept is None else kept.checkpoints(pipeline, sinks, whole.info, statistics)
        )
        source, point = (whole, None) if kept is None else kept.source(whole)
        begun = statistics.earlier
        if begun:
            print_status(f"{text}: continued after {begun} frames")
        results = pipeline.run(
            source,
            policy=config.source.live.policy,
            stop=stop.event,
            idle=lambda: watch_windows([sinks], stop),
            snapshots=snapshots,
            resume=point,
        )
        after = _after_result(snapshots, on_result)
        most = config.source.max_frames
        limited: Iterator[TrackedFrame] = islice(results, None if most is None else most - begun)
        if (until_s := request.until_s) is not None:
            limited = takewhile(lambda result: result.frame.time_s < until_s, limited)
        try:
            with RunProgress(source.info, most, shown=request.progress, begun=begun) as line:
                finished = _write_all(limited, sinks, line, statistics, stop, after)
        except BaseException as error:
            failed = _after_failure(error, sinks, statistics)
            if failed is error:
                raise
            raise failed from error
        finally:
            source.close()  # Otherwise a reader blocked on a silent camera would not end.
            results.close()
            count_source(statistics, source)
        is_complete = finished and not stop.signal_number
        failure = sinks.close(complete=is_complete)
        if failure is not None:
            raise RunFailedError(sinks.error_text(failure)) from failure
    print_status(*summary(source.info, statistics, [s.status for s in sinks.sinks]))
    print_status(*sinks.count_lines())
    if kept is not None:
        print_status(*kept.finish(complete=is_complete))
    return 128 + stop.signal_number if stop.signal_number else 0


def _after_result(
    snapshots: "Checkpoints | None", on_result: Callable[[TrackedFrame], None] | None
) -> Callable[[TrackedFrame], None]:
    """Returns what is done after a result was written."""

    def after(result: TrackedFrame) -> None:
        if snapshots is not None:
            snapshots.commit()
        if on_result is not None:
            on_result(result)

    return after


def _after_failure(
    error: BaseException, sinks: SourceSinks, statistics: RunStatistics
) -> BaseException:
    """Closes the outputs of a run that failed; returns the error to raise."""
    try:
        sinks.close(complete=False)
    except Exception:  # The first error is the one to report.
        _log.debug("closing failed", exc_info=True)
    if not isinstance(error, TrackerError) or isinstance(error, OutputClosed):
        return error
    if not statistics.frames and is_startup_error(error):
        return error
    return RunFailedError(sinks.error_text(error))


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
    after_result: Callable[[TrackedFrame], None],
) -> bool:
    """Writes all results; returns false if the user closed the window, which sets `stop`."""
    for result in results:
        write_result(result, sinks, line, statistics)
        after_result(result)
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

    def request(self) -> None:
        """Stops as SIGTERM does."""
        self.signal_number = signal.SIGTERM
        self.event.set()


@contextmanager
def stop_on_signals(stop: Stop | None = None) -> Iterator[Stop]:
    """Stops the run after the current frame at the first Ctrl-C, SIGTERM or SIGHUP.

    An exception inside an encoder call could leave an unplayable file. A second
    signal raises at once. A SIGHUP that is ignored, as under `nohup`, stays ignored.

    Args:
        stop: What is set; `None` for a new one.
    """
    stop = stop or Stop()

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
