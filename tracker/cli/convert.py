"""`tracker convert`: recorded tracks from one format into another."""

import dataclasses
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from tracker.cli.track_contents import contents, lost_text
from tracker.errors import ConfigError, OutputTakenError
from tracker.frames import VideoInfo
from tracker.sinks.csv_table import CsvSink
from tracker.sinks.json_document import JsonSink
from tracker.sinks.json_lines import JsonLinesSink
from tracker.sinks.json_records import Embeddings, json_parts
from tracker.sinks.mot_text import MotTextSink
from tracker.sinks.output_file import STDOUT, RecordFile, check_not_source
from tracker.sinks.place import Existing, claimed, output_error
from tracker.sinks.replayed_frames import frames_of_rows, recorded_results
from tracker.track_files.coco import coco_parts
from tracker.track_files.cvat import cvat_parts
from tracker.track_files.formats import (
    DEFAULT_FPS,
    TrackFormat,
    VideoDefaults,
    format_of_content,
    format_of_name,
)
from tracker.track_files.json_file import Header, Recording, json_objects
from tracker.track_files.label_studio import label_studio_parts
from tracker.track_files.parquet import write_parquet
from tracker.track_files.read import read_bytes, read_recording
from tracker.track_files.yolo import yolo_files
from tracker.tracks import RunInfo, TrackedFrame
from tracker.util.atomic_file import make_parent, replaced_file

DEFAULT_CLASS = "object"
"""The class of tracks without one."""

_OURS = (TrackFormat.JSON_LINES, TrackFormat.JSON)
_FOLDERS = (TrackFormat.YOLO, TrackFormat.YOLO_TRACK)
_WITHOUT_SIZE = (TrackFormat.MOT, TrackFormat.CSV, TrackFormat.PARQUET)
_WITHOUT_TIME = (TrackFormat.MOT, TrackFormat.COCO, TrackFormat.CVAT, *_FOLDERS)
_DRAFT_ENDINGS = {TrackFormat.JSON_LINES: ".jsonl", TrackFormat.JSON: ".json"}


@dataclass(frozen=True, slots=True)
class ConvertRequest:
    """Input, output and formats of `tracker convert`.

    Attributes:
        source: The track file, or a folder of YOLO labels.
        output: Path of the result; a folder for YOLO labels. Never the source itself.
        from_format: Format of the source; `None` to recognise it by its content.
        to_format: Format of the output; `None` to take it from the name.
        known: What the source may lack.
        video: The video that was tracked: its frame size and rate fill in what is lacking; `None`
            for none.
        existing: Whether an existing file may be replaced.
    """

    source: str
    output: str
    from_format: TrackFormat | None = None
    to_format: TrackFormat | None = None
    known: VideoDefaults = dataclasses.field(default_factory=VideoDefaults)
    video: str | None = None
    existing: Existing = Existing.REPLACE


def run_convert(request: ConvertRequest) -> list[str]:
    """Writes the tracks in the other format; returns the lines of a summary.

    Raises:
        ConfigError: The format is not known, or the source lacks what the output needs.
        SourceError: The source cannot be read.
        DataError: The source is malformed.
        OutputTakenError: Another process writes the output, or it exists and may not be replaced.
        OutputError: The output cannot be written, or is the source; an existing file is unchanged.
    """
    to_format = request.to_format or format_of_name(request.output)
    check_not_source(request.output, request.source)
    known = _with_video(request)
    if to_format in _FOLDERS:
        _check_new_folder(request.output)
        return _converted(request, to_format, known)
    if request.output == STDOUT:
        raise ConfigError("-: expected a file to write, got standard output; name a file")
    with claimed(request.output, request.existing):
        return _converted(request, to_format, known)


def _with_video(request: ConvertRequest) -> VideoDefaults:
    """Returns what is known besides the file, with size and rate of the video."""
    known = request.known
    if request.video is None:
        return known
    from tracker.config.build import open_source
    from tracker.config.run import Config

    with open_source(request.video, Config()) as source:
        info = source.info
    size = known.size or info.stored_size or (info.width, info.height)
    return dataclasses.replace(known, size=size, fps=known.fps or float(info.fps))


def _check_new_folder(path: str) -> None:
    """Raises unless a folder is missing or empty: labels of two recordings would mix."""
    folder = Path(path)
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        raise OutputTakenError(
            f"cannot write {path}: expected a new or empty folder for YOLO labels; name another"
        )


def _converted(request: ConvertRequest, to_format: TrackFormat, known: VideoDefaults) -> list[str]:
    if to_format in _OURS and (content := _json_content(request)) is not None:
        records = list(json_objects(content, path=request.source))
        as_lines = to_format is TrackFormat.JSON_LINES
        recording = read_recording(request.source)
        _write_parts(request.output, json_parts(records, as_lines=as_lines))
        return [_counts(request.output, recording)]
    recording = read_recording(request.source, track_format=request.from_format, video=known)
    fps = recording.tracks.fps
    if request.known.fps is not None and fps not in {None, request.known.fps}:
        raise ConfigError(f"--fps {known.fps:g}: {request.source} has {fps:g}; omit --fps")
    lost = lost_text(contents(recording), to_format)
    complete = _completed(request, recording, known)
    if complete.header is None and to_format not in _WITHOUT_SIZE:
        raise ConfigError(
            f"{request.source}: expected a frame size for {to_format.value}, got none; give it "
            "with --size WIDTHxHEIGHT or --source VIDEO"
        )
    _write(request, complete, to_format)
    lines = [_counts(request.output, recording)]
    if fps is None and to_format not in _WITHOUT_TIME:
        lines.append(f"{DEFAULT_FPS:g} frames a second assumed; --fps or --source gives the rate")
    return lines + ([f"{request.output}: {lost}"] if lost else [])


def _json_content(request: ConvertRequest) -> bytes | None:
    """Returns the content of a source that is JSON of this package, else `None`."""
    if request.from_format not in {None, *_OURS} or Path(request.source).is_dir():
        return None
    content = read_bytes(request.source)
    return content if request.from_format or format_of_content(content) in _OURS else None


def _counts(output: str, recording: Recording) -> str:
    tracks = recording.tracks
    frames = len(recording.frames) or len(np.unique(tracks.frames))
    return f"{output}: {len(np.unique(tracks.ids))} tracks, {len(tracks)} boxes, {frames} frames"


def _completed(request: ConvertRequest, recording: Recording, known: VideoDefaults) -> Recording:
    """Returns the recording with all that can be known: header, frames, times and velocities."""
    tracks = recording.tracks
    names = tracks.class_names or known.class_names
    most = int(tracks.classes.max(initial=0))
    if most >= len(names):
        names = (*names, *(DEFAULT_CLASS for _ in range(most + 1 - len(names))))
    tracks = dataclasses.replace(tracks, class_names=names, fps=tracks.fps or DEFAULT_FPS)
    header = recording.header
    if header is None and known.size is not None:
        header = Header(width=known.size[0], height=known.size[1])
    if header is not None:
        source = header.source or request.video or request.source
        header = dataclasses.replace(header, source=source, fps=tracks.fps, class_names=names)
    frames = recording.frames or tuple(frames_of_rows(tracks.frames))
    return dataclasses.replace(
        recording, tracks=tracks.with_derived_columns(), header=header, frames=frames
    )


def _write(request: ConvertRequest, recording: Recording, to_format: TrackFormat) -> None:
    output, header = request.output, recording.header or Header()
    if to_format is TrackFormat.COCO:
        _write_parts(output, coco_parts(recording, header))
    elif to_format is TrackFormat.CVAT:
        _write_parts(output, cvat_parts(recording, header))
    elif to_format is TrackFormat.LABEL_STUDIO:
        _write_parts(output, label_studio_parts(recording, header))
    elif to_format in _FOLDERS:
        with_ids = to_format is TrackFormat.YOLO_TRACK
        _write_folder(output, yolo_files(recording, header, with_ids=with_ids))
    elif to_format is TrackFormat.PARQUET:
        make_parent(Path(output))
        with replaced_file(Path(output)) as draft:
            write_parquet(recording, recording.header, draft)
    else:
        _write_by_sink(request, recording, to_format)


def _write_parts(output: str, parts: Iterable[bytes]) -> None:
    make_parent(Path(output))
    with replaced_file(Path(output)) as draft:
        file = RecordFile(str(draft))
        file.begin("")
        for part in parts:
            file.append(part)
        file.close()


def _write_folder(output: str, files: Iterable[tuple[str, str]]) -> None:
    """Writes a folder in a new one beside it and moves it, so that the output is always complete.

    An empty folder that exists is filled, not replaced: it may be a link or the current folder.
    """
    target = Path(os.path.realpath(output))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            draft = Path(folder) / "draft"
            for name, text in files:
                path = draft / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", errors="replace")
            if not target.exists():
                draft.rename(target)
                return
            for path in draft.iterdir():
                path.rename(target / path.name)
    except OSError as error:
        raise output_error(output, error) from error


def _write_by_sink(request: ConvertRequest, recording: Recording, to_format: TrackFormat) -> None:
    has_embeddings = recording.tracks.embeddings.shape[1] > 0
    embeddings = Embeddings.INCLUDE if has_embeddings else Embeddings.OMIT
    make_parent(Path(request.output))
    with replaced_file(Path(request.output)) as draft:
        sink: CsvSink | MotTextSink | JsonLinesSink | JsonSink
        if to_format is TrackFormat.MOT:
            sink = MotTextSink(str(draft))
        elif to_format is TrackFormat.CSV:
            sink = CsvSink(str(draft))
        elif to_format is TrackFormat.JSON:
            sink = JsonSink(str(draft), embeddings=embeddings)
        else:
            sink = JsonLinesSink(str(draft), embeddings=embeddings)
        with sink:
            for result in _results(request, recording):
                sink.write(result)
            sink.close(complete=recording.complete)


def _results(request: ConvertRequest, recording: Recording) -> Iterator[TrackedFrame]:
    tracks, header = recording.tracks, recording.header or Header()
    fps = Fraction(tracks.fps or DEFAULT_FPS)
    converted = {"from": request.source, "program": header.program}
    run = RunInfo(
        VideoInfo(
            source=header.source or request.source,
            width=header.width,
            height=header.height,
            fps=fps,
            time_base=1 / fps,
            is_live=header.is_live,
        ),
        tracks.class_names,
        {**header.config, "converted": converted},
        header.models,
    )
    return recorded_results(recording, run)
