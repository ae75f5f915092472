"""What `tracker run` does once its words are understood: open, run, write, and close everything.

Comes in: a `RunRequest`. Goes out: files, a progress bar and a summary on stderr, an exit code.
"""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import FrameType

from tracker.config import Config
from tracker.errors import ConfigError, OutputClosed, OutputError, SourceError, TrackerError
from tracker.factory import (
    NO_EMBEDDER,
    build_backdrop,
    build_pipeline,
    embedder_name,
    open_source,
)
from tracker.progress import ProgressLine, RunStatistics, summary
from tracker.sinks.background import BackgroundSink
from tracker.sinks.json_records import Embeddings
from tracker.sinks.output import STDOUT, check_not_source
from tracker.tracks import Sink, TrackedFrame


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where results go; `None` for nowhere.

    Attributes:
        json: Path of JSON Lines (`.jsonl`, `-` for stdout) or of one JSON document (`.json`).
        mot: Path of MOTChallenge text.
        csv: Path of a CSV table.
        video: Path of an annotated H.264 video.
        show: Whether a window shows the result.
        save_dir: Folder that receives `NAME.jsonl` and `NAME.mp4`.
        embeddings: Whether JSON tells what tracks look like.
    """

    json: str | None = None
    mot: str | None = None
    csv: str | None = None
    video: str | None = None
    show: bool = False
    save_dir: str | None = None
    embeddings: Embeddings = Embeddings.OMIT


@dataclass(frozen=True, slots=True)
class RunRequest:
    """All that `tracker run` was asked to do.

    Attributes:
        source: The source as the user typed it.
        config: The resolved configuration.
        outputs: Where results go.
        progress: Whether a progress bar may be shown.
    """

    source: str
    config: Config
    outputs: Outputs = field(default_factory=Outputs)
    progress: bool = True


class RunFailedError(TrackerError):
    """The run broke after it had begun; the message says what became of the outputs."""

    exit_code = 1


def run(request: RunRequest) -> int:
    """Returns the exit code after running a source through the pipeline into all outputs.

    Raises:
        RunFailedError: Something broke after the first frame was asked for.
        TrackerError: Something was wrong before that; nothing was written.
    """
    sinks, window_closed = make_sinks(request)
    pipeline = build_pipeline(request.config)
    statistics = RunStatistics()
    with open_source(request.source, request.config) as source, _stop_on_signals() as stop:
        results = pipeline.run(source, stop=stop.event)
        limited = islice(results, request.config.source.max_frames)
        try:
            with ProgressLine(
                source.info, request.config.source.max_frames, shown=request.progress
            ) as line:
                finished = _write_all(limited, sinks, window_closed, line, statistics)
        except TrackerError as error:
            _close(sinks, complete=False, after=error)
            if isinstance(error, OutputClosed):
                return 0
            if not statistics.frames and not isinstance(error, SourceError | OutputError):
                raise  # a model or device that cannot be used is found out before the first frame
            raise RunFailedError(_with_outputs(error, sinks)) from error
        except BaseException:
            _close(sinks, complete=False, after=None)
            raise
        finally:
            results.close()
            statistics.skipped = source.skipped
        _close(sinks, complete=finished and not stop.signal_number, after=None)
    print(summary(source.info, statistics, [s.status for s in sinks]), file=sys.stderr)
    return 128 + stop.signal_number if stop.signal_number else 0


def make_sinks(request: RunRequest) -> tuple[list[Sink], Callable[[], bool]]:
    """Returns the sinks of a run, and what tells whether the user has closed the window.

    Each sink has checked that its path can be written.

    Raises:
        ConfigError: Two outputs share a path, embeddings are asked for where there are none, or
            another background where no picture is written or shown.
        OutputError: A path cannot be written or is the source itself.
    """
    from tracker.sinks.csv_table import CsvSink
    from tracker.sinks.json_document import JsonSink
    from tracker.sinks.json_lines import JsonLinesSink
    from tracker.sinks.mot_text import MotTextSink

    outputs, style = request.outputs, request.config.draw
    json_paths, video_paths = [outputs.json], [outputs.video]
    if outputs.save_dir is not None:
        stem = Path(outputs.save_dir) / _stem(request.source)
        json_paths.append(f"{stem}.jsonl")
        video_paths.append(f"{stem}.mp4")
    paths = [p for p in [*json_paths, outputs.mot, outputs.csv, *video_paths] if p is not None]
    replayed = request.config.detector.detections
    _check_paths(paths, [request.source, *([] if replayed is None else [replayed])])
    _check_embeddings(request)
    backdrop = build_backdrop(request.config)
    if backdrop is not None and not outputs.show and not any(video_paths):
        raise ConfigError(
            f"--background {request.config.segmenter.background.value}: it changes pictures, and "
            "none are written; name an output with --video or --show"
        )

    def drawing(sink: Sink) -> Sink:
        return sink if backdrop is None else BackgroundSink(sink, backdrop)

    sinks: list[Sink] = [
        (JsonSink if path.endswith(".json") else JsonLinesSink)(path, embeddings=outputs.embeddings)
        for path in json_paths
        if path is not None
    ]
    if outputs.mot is not None:
        sinks.append(MotTextSink(outputs.mot))
    if outputs.csv is not None:
        sinks.append(CsvSink(outputs.csv))
    for path in video_paths:
        if path is not None:
            from tracker.sinks.video_file import VideoSink

            sinks.append(drawing(VideoSink(path, style=style)))
    if outputs.show:
        from tracker.sinks.window import WindowSink

        window = WindowSink(f"tracker: {request.source}", style=style)
        return [*sinks, drawing(window)], lambda: window.stop_requested
    return sinks, lambda: False


def _check_embeddings(request: RunRequest) -> None:
    """Finds out early what would export nothing; a replayed file is looked at when it is open."""
    outputs, config = request.outputs, request.config
    if outputs.embeddings is Embeddings.OMIT:
        return
    if outputs.json is None and outputs.save_dir is None:
        raise ConfigError("--embeddings: they are written to JSON; name an output with --json")
    if embedder_name(config) == NO_EMBEDDER and config.detector.detections is None:
        raise ConfigError(
            f"--embeddings: expected an embedder, got {NO_EMBEDDER!r}, which makes none; choose "
            "one with --embedder, or replay detections that have embeddings with --detections"
        )


def _check_paths(paths: Sequence[str], inputs: Sequence[str]) -> None:
    seen: set[str] = set()
    for path in paths:
        if path != STDOUT:
            for read in inputs:
                check_not_source(path, read)
        key = path if path == STDOUT else str(Path(path).absolute())
        if key in seen:
            raise ConfigError(f"{path}: two outputs cannot share one file; name another for one")
        seen.add(key)


def _stem(source: str) -> str:
    """Returns the name that `--save-dir` gives to the outputs of a source."""
    if source.isdigit():
        return f"camera-{source}"
    path = Path(source)
    name = path.stem if path.suffix and not path.is_dir() else path.absolute().name
    if name == "img1":  # a MOT sequence is known by the name of its own folder
        name = path.absolute().parent.name
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name) or "source"


def _write_all(
    results: Iterator[TrackedFrame],
    sinks: Sequence[Sink],
    window_closed: Callable[[], bool],
    line: ProgressLine,
    statistics: RunStatistics,
) -> bool:
    """Returns whether all results were written, false when the user closed the window."""
    for result in results:
        for sink in sinks:
            start = time.perf_counter()
            sink.write(result)
            statistics.add_seconds("write", time.perf_counter() - start)
        statistics.add(result)
        line.advance(result)
        if window_closed():
            return False
    return True


def _close(sinks: Sequence[Sink], *, complete: bool, after: TrackerError | None) -> None:
    """Closes every sink, then raises the first error that this met unless one is on its way."""
    first: TrackerError | None = None
    for sink in sinks:
        try:
            sink.close(complete=complete)
        except TrackerError as error:
            first = first or error
    if first is not None and after is None:
        raise RunFailedError(_with_outputs(first, sinks)) from first


def _with_outputs(error: TrackerError, sinks: Sequence[Sink]) -> str:
    # The failed sink's own status repeats the reason.
    states = "; ".join(sink.status.replace(f" ({error})", "") for sink in sinks if sink.status)
    return f"{error} ({states})" if states else str(error)


class _Stop:
    """Set by the first SIGINT or SIGTERM."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.signal_number = 0


@contextmanager
def _stop_on_signals() -> Iterator[_Stop]:
    """Turns the first Ctrl-C or SIGTERM into a stop after the current frame; a second one is raw.

    An exception in the middle of an encoder call could leave a file that does not play.
    """
    stop = _Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.signal_number:
            raise KeyboardInterrupt
        stop.signal_number = number
        stop.event.set()

    in_main_thread = threading.current_thread() is threading.main_thread()
    old = {}
    if in_main_thread:
        old = {n: signal.signal(n, handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        sys.stderr.flush()
