"""`tracker draw`: recorded tracks drawn into their video."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from tracker.cli.run.one import RunFailedError, Stop, stop_on_signals, write_result
from tracker.cli.run.outputs import Outputs, make_sinks
from tracker.cli.run.progress import RunProgress, RunStatistics
from tracker.cli.run.source_sinks import SourceSinks
from tracker.config.build import open_source
from tracker.config.run import Config
from tracker.errors import ConfigError, TrackerError
from tracker.sinks.output_file import check_not_source
from tracker.sinks.replayed_video import complete_recording, results_on_video
from tracker.sources.source_kind import is_live_source
from tracker.sources.source_names import source_names
from tracker.track_files.read import read_recording
from tracker.tracks import TrackedFrame
from tracker.util.terminal import print_status


@dataclass(frozen=True, slots=True)
class DrawRequest:
    """What `tracker draw` does.

    Attributes:
        recording: Tracks in any format that `tracker convert` reads.
        video: The video that was tracked, or its images.
        outputs: The video to write, or a window.
        config: Settings of the source, of drawing, and zones.
        progress: Whether a progress bar may be shown.
    """

    recording: str
    video: str
    outputs: Outputs
    config: Config
    progress: bool = True


def run_draw(request: DrawRequest) -> int:
    """Draws all tracks; returns 0, or 128 + the signal that ended it.

    Raises:
        ConfigError: There is nothing to draw into, or the video cannot be read again.
        DataError: The recording is malformed, or of frames of another size.
        SourceError: The recording or the video cannot be read.
        OutputError: The video cannot be written.
        RunFailedError: An error after the first frame.
    """
    outputs, config = request.outputs, request.config
    if not (outputs.video or outputs.show):
        raise ConfigError("tracker draw: expected something to draw into; add -o out.mp4 or --show")
    if is_live_source(request.video):
        raise ConfigError(f"{request.video}: expected a video file or images, got a live source")
    if outputs.video:
        check_not_source(outputs.video, request.recording)
    recording = complete_recording(read_recording(request.recording))
    names = source_names([request.video])
    (sinks,) = make_sinks([request.video], names, config, outputs)
    statistics = RunStatistics()
    with open_source(request.video, config) as source, stop_on_signals() as stop:
        most, every = config.source.max_frames, recording.header is None
        results = islice(results_on_video(recording, source, every_frame=every), most)
        with RunProgress(source.info, most, shown=request.progress) as bar:
            _draw(results, sinks, bar, statistics, stop)
        failure = sinks.close(complete=not stop.signal_number)
    if failure is not None:
        raise RunFailedError(sinks.error_text(failure)) from failure
    if not statistics.frames:
        raise ConfigError(
            f"{request.recording}: expected frames of {request.video}, got none of the same number"
        )
    print_status(*(sink.status for sink in sinks.sinks if sink.status), *sinks.count_lines())
    return 128 + stop.signal_number if stop.signal_number else 0


def _draw(
    results: Iterator[TrackedFrame],
    sinks: SourceSinks,
    bar: RunProgress,
    statistics: RunStatistics,
    stop: Stop,
) -> None:
    """Draws results until they end, or the user ends it."""
    try:
        for result in results:
            write_result(result, sinks, bar, statistics)
            if stop.event.is_set() or sinks.is_stopped():
                return
    except TrackerError as error:
        sinks.close(complete=False)
        if not statistics.frames:
            raise
        raise RunFailedError(sinks.error_text(error)) from error
    except BaseException:
        sinks.close(complete=False)
        raise
