"""The files of one upload: a video in a private folder, and what is made of it."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tracker.analytics.events import Event
from tracker.errors import SourceError, TrackerError
from tracker.plots.data import plot_data
from tracker.plots.figures import PLOTS, drawn
from tracker.plots.report import report_html
from tracker.plots.style import LIGHT
from tracker.serve.hub import Hub
from tracker.sinks.csv_table import CsvSink
from tracker.sinks.draw_style import DrawStyle
from tracker.sinks.json_document import JsonSink
from tracker.sinks.video_file import VideoSink
from tracker.track_files.formats import DEFAULT_FPS
from tracker.track_files.read import read_recording
from tracker.tracks import Sink, TrackedFrame
from tracker.util.atomic_file import replace_text

_NAMES = {"json": "tracks.json", "csv": "tracks.csv", "mp4": "tracked.mp4", "report": "report.html"}

DEMUXERS = (
    *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "flv", "mpegts"),
    *("mpeg", "ogg", "asf"),
)
"""Containers of FFmpeg that are accepted: none of them names other files or addresses, as play
lists do."""

_MOST_PIXELS = 8192 * 8192


@dataclass(frozen=True, slots=True)
class UploadFiles:
    """The files of one upload.

    Attributes:
        folder: Its own folder, which only this user can read.
    """

    folder: Path

    @property
    def video(self) -> Path:
        """The video."""
        return self.folder / "video"

    @property
    def zones(self) -> Path:
        """Its zones and lines."""
        return self.folder / "zones.yaml"

    def made(self, kind: str) -> Path:
        """Returns the path of `json`, `csv`, `mp4` or `report`."""
        return self.folder / _NAMES[kind]

    def all_made(self) -> Mapping[str, Path]:
        """Returns the files that there are by kind."""
        paths = {kind: self.made(kind) for kind in _NAMES}
        return {kind: path for kind, path in paths.items() if path.is_file()}

    def remove(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def write_report(self, title: str) -> None:
        """Writes the report; a recording without tracks has none.

        Raises:
            TrackerError: It cannot be written, or Matplotlib is not installed.
        """
        recording = read_recording(self.made("json"))
        if not len(recording.tracks):
            return
        data = plot_data(recording, title=title, fps=DEFAULT_FPS)
        replace_text(self.made("report"), report_html(data, drawn(data, PLOTS, None, LIGHT), LIGHT))


class UploadRecorder:
    """Writes the results of an upload as JSON, CSV, video and report.

    Args:
        files: Where.
        title: Title of the report.
        hub: Its zones are drawn into the video, and its counts end the JSON.
        style: Style of drawn tracks.
    """

    def __init__(self, files: UploadFiles, title: str, hub: Hub, style: DrawStyle) -> None:
        self._files, self._title, self._hub = files, title, hub
        self._json = JsonSink(str(files.made("json")))
        video = VideoSink(str(files.made("mp4")), style=style, overlay=hub)
        self._sinks: list[Sink] = [self._json, CsvSink(str(files.made("csv"))), video]

    def write(self, result: TrackedFrame, events: Sequence[Event]) -> None:
        """Writes one result with its events.

        Raises:
            OutputError: It cannot be written.
        """
        for sink in self._sinks:
            sink.write(result)
        self._json.write_events(events)

    def finish(self, events: Sequence[Event], *, complete: bool) -> None:
        """Ends the files and writes the report; those of a run that did not end are removed.

        Raises:
            OutputError: They cannot be finished.
        """
        self._json.write_events(events)
        self._json.write_counts(self._hub.counts())
        first: TrackerError | None = None
        for sink in self._sinks:
            try:
                sink.close(complete=complete)
            except TrackerError as error:
                first = first or error
        if not complete or first is not None:
            for path in self._files.all_made().values():
                path.unlink(missing_ok=True)
        if first is not None:
            raise first
        if complete:
            self._files.write_report(self._title)


def check_video(path: Path) -> None:
    """Checks that a file is a video, by decoding its first frame.

    Args:
        path: The file; its content is not trusted.

    Raises:
        SourceError: It is no video of an accepted container, or its frames are too large.
    """
    import av

    from tracker.sources.containers import open_container

    expected = "expected a video (MP4, MOV, MKV, WebM, AVI, FLV, MPEG, OGG or WMV)"
    accepted = {"format_whitelist": ",".join(DEMUXERS)}
    try:
        with open_container(str(path), options=accepted) as container:
            if not set(container.format.name.split(",")) & set(DEMUXERS):
                raise SourceError(f"{expected}, got {container.format.long_name}")
            if not container.streams.video:
                raise SourceError(f"{expected}, got a file without images")
            stream = container.streams.video[0]
            if stream.width * stream.height > _MOST_PIXELS:
                raise SourceError(f"{expected}, got frames of {stream.width}x{stream.height}")
            if next(container.decode(stream), None) is None:
                raise SourceError(f"{expected}, got one without frames")
    except (av.FFmpegError, ValueError, StopIteration) as error:
        raise SourceError(f"{expected}, got a file that cannot be decoded") from error
