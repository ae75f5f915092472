"""`tracker plot`: plots and a report of recorded tracks."""

from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from tracker.errors import ConfigError, DataError
from tracker.plots.data import PlotData, plot_data
from tracker.plots.figures import PLOTS, check_names, drawn
from tracker.plots.report import report_html
from tracker.plots.style import DARK, LIGHT
from tracker.sinks.output_file import check_not_source
from tracker.track_files.formats import DEFAULT_FPS, VideoDefaults
from tracker.track_files.json_file import Recording
from tracker.track_files.read import read_recording
from tracker.util.arrays import UInt8Array
from tracker.util.atomic_file import make_parent, replace_bytes, replace_text

FORMATS = ("png", "svg")


@dataclass(frozen=True, slots=True)
class PlotRequest:
    """Input and outputs of `tracker plot`.

    Attributes:
        recording: A track file of any format.
        folder: Folder of the plots; `None` for `NAME-plots` beside the recording, or no plots
            where there is a report.
        report: Path of an HTML report; `None` for none.
        source: The video, whose first frame is drawn under paths and heat map; `None` for none.
        only: Names of the plots; empty for all.
        file_format: `png` or `svg`.
        dark: Whether the ground is dark.
        zones: Path of `zones.yaml`, whose events are plotted in place of those in the recording;
            `None` for none.
        video: What the recording may lack.
    """

    recording: str
    folder: str | None = None
    report: str | None = None
    source: str | None = None
    only: tuple[str, ...] = ()
    file_format: str = "png"
    dark: bool = False
    zones: str | None = None
    video: VideoDefaults = field(default_factory=VideoDefaults)


def run_plot(request: PlotRequest) -> list[str]:
    """Writes the plots and the report; returns the lines of a summary.

    Raises:
        ConfigError: A name is unknown, or the source does not fit the recording.
        SourceError: The recording or the source cannot be read.
        DataError: The recording is malformed or has no tracks.
        OutputError: An output cannot be written.
        DependencyError: Matplotlib is not installed.
    """
    names = request.only or tuple(PLOTS)
    check_names(names)
    if request.file_format not in FORMATS:
        raise ConfigError(f"--format {request.file_format}: expected {' or '.join(FORMATS)}")
    if request.report is not None:
        check_not_source(request.report, request.recording)
    data = _data(request)
    image = None if request.source is None else _first_frame(request.source, data)
    theme = DARK if request.dark else LIGHT
    lines = []
    folder = _folder(request)
    if folder is not None:
        plots = drawn(data, names, image, theme, file_format=request.file_format)
        for name, content in plots.items():
            path = folder / f"{name}.{request.file_format}"
            make_parent(path)
            replace_bytes(path, content)
            lines.append(str(path))
    if request.report is not None:
        plots = drawn(data, names, image, theme)
        make_parent(Path(request.report))
        replace_text(Path(request.report), report_html(data, plots, theme))
        lines.append(request.report)
    return lines


def _data(request: PlotRequest) -> PlotData:
    recording = read_recording(request.recording, video=request.video)
    if not len(recording.tracks):
        raise DataError(f"{request.recording}: expected tracks to plot, got none")
    if request.zones is not None:
        recording = _with_events(recording, request)
    header = recording.header
    name = request.recording
    if header is not None and header.source:
        name = header.source
    return plot_data(recording, title=Path(name).name or name, fps=request.video.fps or DEFAULT_FPS)


def _with_events(recording: Recording, request: PlotRequest) -> Recording:
    """Returns the recording with the events of its zones and lines."""
    from tracker.analytics.recorded import analyse_recording
    from tracker.config.zones import load_zones

    rate = None if recording.tracks.fps is not None else request.video.fps or DEFAULT_FPS
    events, _ = analyse_recording(recording, load_zones(str(request.zones)), fps=rate)
    return replace(recording, events=tuple(event.to_json() for event in events))


def _first_frame(text: str, data: PlotData) -> UInt8Array:
    """Returns the first frame of the source.

    Raises:
        ConfigError: It has frames of another size than the recording.
        DataError: It has no frames.
    """
    from tracker.config.build import open_source
    from tracker.config.run import Config

    with open_source(text, Config()) as source:
        info = source.info
        size = info.stored_size or (info.width, info.height)
        frame = next(iter(islice(source, 1)), None)
    if frame is None:
        raise DataError(f"--source {text}: expected a frame to draw on, got none")
    expected = tuple(map(int, data.size))
    if data.has_known_size and size != expected:
        raise ConfigError(
            f"--source {text}: expected frames of {expected[0]}x{expected[1]} as in the "
            f"recording, got {size[0]}x{size[1]}"
        )
    return frame.image


def _folder(request: PlotRequest) -> Path | None:
    if request.folder is not None:
        return Path(request.folder)
    path = Path(request.recording)
    return None if request.report is not None else path.with_name(f"{path.stem}-plots")
