"""What `tracker run` does with several sources: one process, one network, outputs for each.

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
    count_source,
    is_of_the_start,
    stop_on_signals,
    watch_windows,
    write_result,
)
from tracker.cli.run.outputs import SourceSinks, make_sinks, source_names
from tracker.cli.run.progress import RunProgress, RunStatistics, summary
from tracker.config.build import build_multi_pipeline, open_source
from tracker.config.run import Config
from tracker.errors import SourceError, TrackerError
from tracker.frames import Source, VideoInfo
from tracker.pipeline.frame_loop import SourceEnd, SourceEvent, close_together, next_item
from tracker.sources.source_kind import check_pipe_once
from tracker.util.address import shown_address
from tracker.util.channel import Channel
from tracker.util.terminal import print_status

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Run:
    """One source of a run that is under way."""

    source: Source
    sinks: SourceSinks
    statistics: RunStatistics = field(default_factory=RunStatistics)
    failure: TrackerError | None = None
    has_ended: bool = False

    def finish(self, error: TrackerError | None, *, complete: bool) -> None:
        """Closes the source and its outputs; the second time it does nothing."""
        if self.has_ended:
            return
        self.has_ended = True
        self.source.close()
        count_source(self.statistics, self.source)
        unfinished = self.sinks.close(complete=complete and error is None)
        self.failure = error or unfinished

    @property
    def lines(self) -> list[str]:
        """The summary of this source."""
        statuses = [sink.status for sink in self.sinks.sinks]
        lines = summary(self.source.info, self.statistics, statuses)
        return lines if self.failure is None else [*lines, f"{'failed':<12}{self.failure}"]


def run_many(request: RunRequest) -> int:
    """Returns the exit code after running all sources: 1 if any could not be opened or broke.

    Raises:
        RunFailedError: An output or the network failed, which ends the run of all sources.
        TrackerError: No source can be opened, or something was wrong before the first frame.
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
            [one.source for one in runs],
            policy=request.config.source.live.policy,
            stop=stop.event,
            idle=lambda: watch_windows([one.sinks for one in runs], stop),
        )
        stack.callback(events.close)
        for one in runs:
            # Before the pipeline's end: a reader that waits for a camera that hangs would not end.
            stack.callback(one.source.close)
        info = _together([one.source.info for one in runs], request.config.source.max_frames)
        try:
            with RunProgress(info, None, shown=request.progress) as line:
                _write_all(events, runs, line)
        except TrackerError as error:
            raise _failed(error, runs) from error
        finally:
            close_together([one.source for one in runs if not one.has_ended])
            for one in runs:
                one.finish(None, complete=False)
    for number, one in enumerate(runs):
        print_status(*([""] if number else []), *one.lines)
    if stop.signal_number:
        return 128 + stop.signal_number
    failed = len(request.sources) - len(runs) + sum(one.failure is not None for one in runs)
    return 1 if failed else 0


def _open_all(texts: Sequence[str], config: Config, stack: ExitStack) -> dict[int, Source]:
    """Returns the sources that can be opened, by number; the stack closes them.

    They are opened side by side: cameras that do not answer would else cost their time one after
    the other, while those that do pile up frames. Ctrl-C is an exception here: nothing has begun.

    Raises:
        SourceError: None can be opened.
        ConfigError: A setting does not suit a source.
    """
    done = Channel[tuple[int, Source | BaseException]](len(texts))
    for index, text in enumerate(texts):
        # Not a pool: its threads keep the program from ending, and one may wait for ever.
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


def _write_all(events: Iterable[SourceEvent], runs: Sequence[_Run], line: RunProgress) -> None:
    """Writes results until all sources have ended or the user has closed a window."""
    for event in events:
        one = runs[event.index]
        if isinstance(event, SourceEnd):
            if event.error is not None:
                _log.error("%s", event.error)
            one.finish(event.error, complete=True)
            continue
        write_result(event.result, one.sinks, line, one.statistics)
        if one.sinks.is_stopped():
            return


def _failed(error: TrackerError, runs: Sequence[_Run]) -> TrackerError:
    """Returns what to raise for an error that ends all."""
    for one in runs:
        one.finish(None, complete=False)
    if not any(one.statistics.frames for one in runs) and is_of_the_start(error):
        return error
    statuses = [sink.status for one in runs for sink in one.sinks.sinks if sink.status]
    states = f" ({'; '.join(statuses)})" if statuses else ""
    return RunFailedError(f"{error}{states}")


def _together(infos: Sequence[VideoInfo], most: int | None) -> VideoInfo:
    """Returns a source that stands for all, for the progress bar.

    Args:
        infos: The sources.
        most: Frames of each after which it ends; `None` for all.
    """
    counts = [_least(info.frame_count, most) for info in infos]
    known = [count for count in counts if count is not None]
    total = sum(known) if len(known) == len(counts) else None
    return dataclasses.replace(infos[0], frame_count=total)


def _least(*counts: int | None) -> int | None:
    return min((count for count in counts if count is not None), default=None)
