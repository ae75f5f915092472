"""`tracker analyze`: events and counts of recorded tracks, as its run would have given them."""

import json
from dataclasses import dataclass
from pathlib import Path

from tracker.analytics.recorded import analyse_recording
from tracker.analytics.report import count_lines
from tracker.analytics.settings import AnalyticsSettings
from tracker.config.zones import load_zones, zones_from
from tracker.errors import ConfigError, TrackerError
from tracker.sinks.event_file import EventFileSink
from tracker.sinks.output_file import STDOUT, check_not_source
from tracker.sinks.paths import check_different
from tracker.sinks.place import Existing
from tracker.track_files.json_file import Recording
from tracker.track_files.read import read_recording
from tracker.util.atomic_file import make_parent, replaced_file
from tracker.util.terminal import print_results, print_status


@dataclass(frozen=True, slots=True)
class AnalyzeRequest:
    """Input and outputs of `tracker analyze`.

    Attributes:
        recording: A track file of any format.
        zones: Path of `zones.yaml`; `None` for the zones of the run, which the recording has.
        events: Where to write events: `.csv`, `.jsonl` or "-"; `None` for nowhere.
        json: Where to write counts as JSON, or "-"; `None` for nowhere.
        fps: Frames a second of MOT text.
        existing: Whether existing files may be replaced.
    """

    recording: str
    zones: str | None = None
    events: str | None = None
    json: str | None = None
    fps: float | None = None
    existing: Existing = Existing.REPLACE


def run_analyze(request: AnalyzeRequest) -> None:
    """Writes the events of a recording and prints the counts.

    Raises:
        ConfigError: The zones are wrong or missing.
        SourceError: The recording cannot be read.
        DataError: The recording is malformed.
        OutputError: An output cannot be written.
    """
    paths = [path for path in (request.events, request.json) if path is not None]
    check_different(paths)
    for path in paths:
        for read in (request.recording, request.zones):
            if read is not None:
                check_not_source(path, read)
    recording = read_recording(request.recording)
    settings = _settings(request, recording)
    sink = None
    if request.events is not None:
        sink = EventFileSink(request.events, existing=request.existing)
    try:
        events, analyser = analyse_recording(recording, settings, fps=request.fps)
    except TrackerError as error:
        raise type(error)(f"{request.recording}: {error}") from None
    if sink is not None:
        with sink:
            sink.begin(request.recording)
            sink.write_events(events)
        print_status(sink.status)
    if request.json is not None:
        _write_counts(json.dumps(analyser.summary(), indent=2, ensure_ascii=False), request.json)
    shown = count_lines(analyser.counts)
    if STDOUT in paths:
        print_status(*shown)
    else:
        print_results(*shown)


def _settings(request: AnalyzeRequest, recording: Recording) -> AnalyticsSettings:
    if request.zones is not None:
        return load_zones(request.zones)
    tree = None if recording.header is None else recording.header.config.get("analytics")
    if not isinstance(tree, dict):
        raise ConfigError(
            f"{request.recording}: expected zones, but its run had none; give them with --zones "
            "zones.yaml (tracker zones draws them)"
        )
    return zones_from(tree)


def _write_counts(text: str, path: str) -> None:
    if path == STDOUT:
        print_results(*text.splitlines())
        return
    make_parent(Path(path))
    with replaced_file(Path(path)) as draft:
        Path(draft).write_text(f"{text}\n", encoding="utf-8")
