"""`tracker run` with several sources: one process, one network, separate outputs.

A source that fails does not stop the others.
"""

import dataclasses
import logging
import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from tracker.cli.run.one import (
    RunFailedError,
    RunRequest,
    Stop,
    count_source,
    is_startup_error,
    stop_on_signals,
    watch_windows,
    write_result,
)
from tracker.cli.run.outputs import make_sinks
from tracker.cli.run.progress import RunProgress, RunStatistics, summary
from tracker.cli.run.source_sinks import SourceSinks
from tracker.config.build import build_multi_pipeline, open_source
from tracker.config.run import Config
from tracker.errors import SourceError, TrackerError
from tracker.frames import Source, VideoInfo
from tracker.pipeline.frame_loop import SourceEnd, SourceEvent, close_together, next_item
from tracker.sources.source_kind import check_pipe_once
from tracker.sources.source_names import source_names
from tracker.util.address import shown_address
from tracker.util.channel import Channel
from tracker.util.terminal import print_status

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Run:
    """A source, its sinks and its state during a run."""

    source: Source
    sinks: SourceSinks
    statistics: RunStatistics = field(default_factory=RunStatistics)
    failure: TrackerError | None = None
    has_ended: bool = False

    def finish(self, error: TrackerError | None, *, complete: bool) -> None:
        """Closes the source and its outputs; a second call has no effect."""
        if self.has_ended:
            return
        self.has_ended = True
        self.source.close()
        count_source(self.statistics, self.source)
        close_error = self.sinks.close(complete=complete and error is None)
        self.failure = error or close_error

    @property
    def lines(self) -> list[str]:
        """The summary of this source."""
        statuses = [sink.status for sink in self.sinks.sinks]
        lines = summary(self.source.info, self.statistics, statuses)
        lines += self.sinks.count_lines()
        return lines if self.failure is None else [*lines, f"{'failed':<12}{self.failure}"]


def run_many(request: RunRequest) -> int:
    """Processes all sources; returns the exit code, 1 if any could not be opened or failed.

    Raises:
        RunFailedError: An output or the network failed, which ends the run for all sources.
        TrackerError: No source can be opened, or another error before the first frame.
    """
    check_pipe_once(request.sources)
    names = source_names(request.sources)
    sinks = make_sinks(
        request.sources, names, request.config, request.outputs, config_file=request.config_file
    )
    pipeline = build_multi_pipeline(request.config)
    with ExitStack() as stack:
        opened = _open_all(request.sources, request.config, stack)
        stop = stack.enter_context(stop_on_signals())
        runs = [_Run(source, sinks[index]) for index, source in opened.items()]
        events = pipeline.run(
            [run.source for run in runs],
            policy=request.config.source.live.policy,
            stop=stop.event,
            idle=lambda: watch_windows([run.sinks for run in runs], stop),
        )
        stack.callback(events.close)
        for run in runs:
            # Before the pipeline ends: a reader blocked on a silent camera would not end otherwise.
            stack.callback(run.source.close)
        info = _combined_info([run.source.info for run in runs], request.config.source.max_frames)
        try:
            with RunProgress(info, None, shown=request.progress) as line:
                _write_all(events, runs, line, stop)
        except TrackerError as error:
            raise _run_error(error, runs) from error
        finally:
            close_together([run.source for run in runs if not run.has_ended])
            for run in runs:
                run.finish(None, complete=False)
    for number, run in enumerate(runs):
        print_status(*([""] if number else []), *run.lines)
    if stop.signal_number:
        return 128 + stop.signal_number
    failed = len(request.sources) - len(runs) + sum(run.failure is not None for run in runs)
    return 1 if failed else 0


def _open_all(texts: Sequence[str], config: Config, stack: ExitStack) -> dict[int, Source]:
    """Returns the sources that can be opened, by index; the stack closes them.

    They are opened in parallel, so that the timeouts of silent cameras do not add up while others
    fill their buffers. Ctrl-C raises here, because nothing has been written yet.

    Raises:
        SourceError: None can be opened.
        ConfigError: A setting does not suit a source.
    """
    done = Channel[tuple[int, Source | BaseException]](len(texts))
    for index, text in enumerate(texts):
        # Not a thread pool: one thread may block for ever, and a pool would wait for it at exit.
        threading.Thread(target=_open_one, args=(index, text, config, done), daemon=True).start()
    opened: dict[int, Source] = {}
    errors: dict[int, BaseException] = {}
    while len(opened) + len(errors) < len(texts) and (item := next_item(done, None)):
        index, result = item
        if not isinstance(result, BaseException):
            opened[index] = stack.enter_context(result)
            continue
        errors[index] = result
        if isinstance(result, SourceError):
            _log.error("%s", result)
    for _, error in sorted(errors.items()):
        if not isinstance(error, SourceError):
            raise error
    if not opened:
        shown = ", ".join(map(shown_address, texts))
        raise SourceError(f"none of {len(texts)} sources can be opened: {shown}")
    return dict(sorted(opened.items()))


def _open_one(
    index: int, text: str, config: Config, done: Channel[tuple[int, Source | BaseException]]
) -> None:
    try:
        done.put((index, open_source(text, config)))
    except BaseException as error:
        done.put((index, error))


def _write_all(
    events: Iterable[SourceEvent], runs: Sequence[_Run], line: RunProgress, stop: Stop
) -> None:
    """Writes results until all sources have ended; sets `stop` if the user closed a window."""
    for event in events:
        run = runs[event.index]
        if isinstance(event, SourceEnd):
            if event.error is not None:
                _log.error("%s", event.error)
            run.finish(event.error, complete=True)
            continue
        write_result(event.result, run.sinks, line, run.statistics)
        if run.sinks.is_stopped():
            stop.event.set()


def _run_error(error: TrackerError, runs: Sequence[_Run]) -> TrackerError:
    """Closes all sources and outputs; returns the error to raise."""
    for run in runs:
        run.finish(None, complete=False)
    if not any(run.statistics.frames for run in runs) and is_startup_error(error):
        return error
    statuses = [sink.status for run in runs for sink in run.sinks.sinks if sink.status]
    states = f" ({'; '.join(statuses)})" if statuses else ""
    return RunFailedError(f"{error}{states}")


def _combined_info(infos: Sequence[VideoInfo], most: int | None) -> VideoInfo:
    """Returns properties of all sources together, for the progress bar.

    Args:
        infos: The sources.
        most: Maximum number of frames of each; `None` for all.
    """
    counts = [_smallest(info.frame_count, most) for info in infos]
    known = [count for count in counts if count is not None]
    total = sum(known) if len(known) == len(counts) else None
    return dataclasses.replace(infos[0], frame_count=total)


def _smallest(*counts: int | None) -> int | None:
    return min((count for count in counts if count is not None), default=None)
