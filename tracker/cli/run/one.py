"""What `tracker run` does with one source: open, run, write, and close everything."""

import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from types import FrameType

from tracker.cli.run.outputs import Outputs, SourceSinks, make_sinks, source_names
from tracker.cli.run.progress import RunProgress, RunStatistics, summary
from tracker.config.build import build_pipeline, open_source
from tracker.config.run import Config
from tracker.errors import OutputClosed, OutputError, OutputTakenError, SourceError, TrackerError
from tracker.frames import Reconnecting, Source
from tracker.tracks import TrackedFrame
from tracker.util.signals import termination_signals
from tracker.util.terminal import print_status


@dataclass(frozen=True, slots=True)
class RunRequest:
    """All that `tracker run` was asked to do.

    Attributes:
        sources: The sources as the user typed them, at least one.
        config: The resolved configuration.
        outputs: Where results go.
        progress: Whether a progress bar may be shown.
        config_file: Where the configuration came from.
    """

    sources: tuple[str, ...]
    config: Config
    outputs: Outputs = field(default_factory=Outputs)
    progress: bool = True
    config_file: str | None = None


class RunFailedError(TrackerError):
    """The run broke after it had begun; the message says what became of the outputs."""

    exit_code = 1


def run(request: RunRequest) -> int:
    """Returns the exit code after running one source through the pipeline into all outputs.

    Raises:
        RunFailedError: Something broke after the first frame was asked for.
        OutputClosed: The reader of stdout has gone.
        TrackerError: Something was wrong before that; nothing was written.
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
                finished = _write_all(limited, sinks, line, statistics)
        except TrackerError as error:
            sinks.close(complete=False)
            if isinstance(error, OutputClosed):
                raise
            if not statistics.frames and is_of_the_start(error):
                raise
            raise RunFailedError(sinks.blame(error)) from error
        except BaseException:
            sinks.close(complete=False)
            raise
        finally:
            source.close()  # A reader that waits for a camera that hangs would not end.
            results.close()
            count_source(statistics, source)
        failure = sinks.close(complete=finished and not stop.signal_number)
        if failure is not None:
            raise RunFailedError(sinks.blame(failure)) from failure
    print_status(*summary(source.info, statistics, [s.status for s in sinks.sinks]))
    return 128 + stop.signal_number if stop.signal_number else 0


def is_of_the_start(error: TrackerError) -> bool:
    """Returns whether an error before the first result means that nothing has begun.

    A model or device that cannot be used is found out that late, and so is a file that another
    process has begun to write since.
    """
    return isinstance(error, OutputTakenError) or not isinstance(error, SourceError | OutputError)


def count_source(statistics: RunStatistics, source: Source) -> None:
    """Adds what a source has counted itself."""
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
    for sink in sinks.sinks:
        sink.write(result)
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
) -> bool:
    """Returns whether all results were written, false when the user closed the window."""
    for result in results:
        write_result(result, sinks, line, statistics)
        if sinks.is_stopped():
            break
    return not sinks.is_stopped()


def watch_windows(sinks: Iterable[SourceSinks], stop: "Stop") -> None:
    """Lets windows live while no result comes, and ends the run where the user wants that."""
    for one in sinks:
        one.poll()
        if one.is_stopped():
            stop.event.set()


class Stop:
    """Set by the first SIGINT, SIGTERM or SIGHUP.

    Attributes:
        event: Set once a signal came.
        signal_number: Its number, 0 before.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self.signal_number = 0


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Turns the first Ctrl-C, SIGTERM or SIGHUP into a stop after the current frame.

    An exception in the middle of an encoder call could leave a file that does not play. A second
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
