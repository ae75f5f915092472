"""`tracker refine`: reads recorded tracks, refines them off-line, and writes the result."""

import dataclasses
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tracker.boxes import is_proper
from tracker.errors import ConfigError, DataError
from tracker.frames import VideoInfo
from tracker.masks import Mask, empty_mask
from tracker.sinks.json_document import JsonSink
from tracker.sinks.json_lines import JsonLinesSink
from tracker.sinks.json_records import Embeddings
from tracker.sinks.mot_text import MotTextSink
from tracker.sinks.output_file import check_not_draft
from tracker.sinks.place import Existing, claimed
from tracker.sinks.replayed_frames import Appearance, frames_of_rows, tracked_frames
from tracker.track_files.json_file import Header, Recording
from tracker.track_files.read import read_recording
from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.tracking.offline.refine import RefinedTracks, RefineSettings, refine
from tracker.tracking.offline.time_grid import TimeGrid, time_grid
from tracker.tracking.offline.track_rows import TrackRows
from tracker.tracks import RunInfo, TrackedFrame, TrackState
from tracker.util.arrays import Int32Array
from tracker.util.atomic_file import replaced_file

_log = logging.getLogger(__name__)

MOT_FPS = 30.0
"""Default frames per second of MOT text, which does not contain its frame rate."""

_ENDINGS = (".txt", ".jsonl", ".json")


@dataclass(frozen=True, slots=True)
class RefineRequest:
    """Input, output and settings of `tracker refine`.

    Attributes:
        source: MOT text, JSON Lines or a JSON document of this package.
        output: Path of the result; its suffix, `.txt`, `.jsonl` or `.json`, selects the format. May
            be the source itself.
        settings: Settings of the refinement.
        fps: Frames per second of MOT text; `None` for `MOT_FPS`. JSON contains its own.
        existing: Whether an existing file may be replaced.
    """

    source: str
    output: str
    settings: RefineSettings = field(default_factory=RefineSettings)
    fps: float | None = None
    existing: Existing = Existing.REPLACE


def run_refine(request: RefineRequest) -> str:
    """Writes the refined tracks and returns a one-line summary of the changes.

    Raises:
        ConfigError: The output's suffix is unknown, or the recording does not fit the options.
        SourceError: The recording cannot be read.
        DataError: The recording is malformed, or has no frames.
        OutputTakenError: Another process writes the output, or it exists and may not be replaced.
        OutputError: The output cannot be written; an existing file is unchanged.
    """
    suffix = Path(request.output).suffix.lower()
    if suffix not in _ENDINGS:
        raise ConfigError(
            f"{request.output}: expected a name that ends with {', '.join(_ENDINGS)}, got "
            f"{suffix or 'no ending'}"
        )
    check_not_draft(request.output, request.source)
    with claimed(request.output, request.existing):
        return _refine_file(request)


def _refine_file(request: RefineRequest) -> str:
    recording = read_recording(request.source)
    _check_format(request, recording)
    fps = _frames_per_second(request, recording.tracks)
    before = len(set(recording.tracks.ids.tolist()))
    tracks = _matched_rows(request.source, recording.tracks)
    rows, grid = _track_rows(tracks), time_grid(recording.frames, fps)
    if grid is not None:
        rows, fps = rows.replace(frames=grid.places_of(rows.frames)), grid.rate
    refined = refine(rows, request.settings, fps=fps)
    rows, columns = refined.rows, _columns(refined, fps=fps)
    if grid is not None:
        rows, columns = _of_known_frames(rows, columns, grid)
    recording = dataclasses.replace(recording, tracks=tracks)
    _write_output(request, recording, _tracked_frames(request, recording, rows, columns))
    filled = np.count_nonzero(~rows.seen)
    if not recording.complete:
        _log.warning("%s: incomplete: its run did not come to its end", request.source)
    return (
        f"{request.output}: {len(refined.rows.spans())} tracks of {before}; "
        f"split at {refined.cut} gaps, {refined.joined} joined, "
        f"{refined.dropped} false tracks removed, {filled} boxes interpolated"
    )


def _check_format(request: RefineRequest, recording: Recording) -> None:
    """Raises unless the recording can be written in the format of the output."""
    if recording.header is not None:
        if not recording.frames:
            raise DataError(f"{request.source}: expected at least one frame, got only a header")
    elif Path(request.output).suffix.lower() != ".txt":
        if not len(recording.tracks):
            raise DataError(
                f"{request.source}: expected tracks, got an empty file; refine the JSON output of "
                "a run"
            )
        raise ConfigError(
            f"{request.output}: MOT text does not contain the frame size, which JSON requires; "
            "name an output that ends with .txt, or refine the JSON output of the run"
        )


def _frames_per_second(request: RefineRequest, tracks: RecordedTracks) -> float:
    if tracks.fps is None:
        return MOT_FPS if request.fps is None else request.fps
    if request.fps is not None:
        raise ConfigError(
            f"--fps {request.fps:g}: {request.source} has {tracks.fps:g} in its header; omit --fps"
        )
    return tracks.fps


def _matched_rows(source: str, tracks: RecordedTracks) -> RecordedTracks:
    """Returns the rows with a matched detection; `refine` interpolates the others itself."""
    keep = is_proper(tracks.boxes.astype(np.float32))
    if not keep.all():
        _log.warning(
            "%s: %d boxes without width or height left out", source, np.count_nonzero(~keep)
        )
    return tracks.select(keep & tracks.seen)


def _track_rows(tracks: RecordedTracks) -> TrackRows:
    return TrackRows.create(
        tracks.frames, tracks.ids, tracks.boxes, tracks.scores, tracks.classes, tracks.embeddings
    )


def _of_known_frames(
    rows: TrackRows, columns: Mapping[str, Any], grid: TimeGrid
) -> tuple[TrackRows, dict[str, Any]]:
    """Returns rows and columns with frame numbers, without those of steps that have no frame."""
    frames, is_known = grid.frames_at(rows.frames)
    known = {name: values[is_known] for name, values in {**columns, "frames": frames}.items()}
    return rows.select(is_known).replace(frames=known["frames"]), known


def _tracked_frames(
    request: RefineRequest, recording: Recording, rows: TrackRows, columns: Mapping[str, Any]
) -> Iterator[TrackedFrame]:
    run = _run_info(request, recording)
    by_frame = np.argsort(columns["frames"], kind="stable")  # rows are by id, so ids rise within
    columns = {name: values[by_frame] for name, values in columns.items()}
    appearance = Appearance(
        rows.embeddings[by_frame], _masks(recording.tracks, rows.origins[by_frame])
    )
    facts = recording.frames or frames_of_rows(columns["frames"])
    return tracked_frames(columns, appearance, facts, run)


def _masks(tracks: RecordedTracks, origins: Int32Array) -> tuple[Mask, ...] | None:
    """Returns the mask of each row, empty where it is interpolated or has none."""
    known = tracks.masks or ()
    first = next((mask for mask in known if mask is not None), None)
    if first is None:
        return None
    nothing = empty_mask(first.size)
    return tuple((known[row] if row >= 0 else None) or nothing for row in origins.tolist())


def _columns(refined: RefinedTracks, *, fps: float) -> dict[str, Any]:
    """Returns the arrays of `Tracks` and `frames`, each over all rows."""
    rows = refined.rows
    ages, misses = np.ones(len(rows), np.int32), np.zeros(len(rows), np.int32)
    for span in rows.spans():
        frames = rows.frames[span]
        ages[span] = frames - frames[0] + 1
        misses[span] = frames - np.maximum.accumulate(np.where(rows.seen[span], frames, frames[0]))
    return {
        "frames": rows.frames,
        "ids": rows.ids,
        "boxes": rows.boxes.astype(np.float32),
        "velocities": (refined.velocities * fps).astype(np.float32),
        "scores": rows.scores,
        "classes": rows.classes,
        "class_scores": refined.class_shares,
        "states": np.where(rows.seen, TrackState.CONFIRMED, TrackState.LOST).astype(np.uint8),
        "ages": ages,
        "misses": misses,
        "detection_index": np.full(len(rows), -1, np.int32),
    }


def _run_info(request: RefineRequest, recording: Recording) -> RunInfo:
    header = recording.header or Header()
    fps = Fraction(_frames_per_second(request, recording.tracks))
    # The header's `program` is the writer of this file; this one wrote the input.
    refined = {"program": header.program, **dataclasses.asdict(request.settings)}
    return RunInfo(
        video=VideoInfo(
            source=request.source if header.source is None else header.source,
            width=header.width,
            height=header.height,
            fps=fps,
            time_base=1 / fps,
            is_live=header.is_live,
        ),
        class_names=recording.tracks.class_names or ("object",),
        config={**header.config, "refined": refined},
        model_digests=header.models,
    )


def _write_output(
    request: RefineRequest, recording: Recording, results: Iterator[TrackedFrame]
) -> None:
    """Writes a draft beside the output and renames it, so that the output is always complete."""
    target = Path(request.output)
    has_embeddings = recording.tracks.embeddings.shape[1] > 0
    embeddings = Embeddings.INCLUDE if has_embeddings else Embeddings.OMIT
    suffix = Path(os.path.realpath(target)).suffix.lower()
    # The sink locks the draft, so no second process writes it.
    with replaced_file(target) as draft, _open_sink(str(draft), suffix, embeddings) as sink:
        for result in results:
            sink.write(result)
        sink.close(complete=recording.complete)


def _open_sink(
    path: str, suffix: str, embeddings: Embeddings
) -> MotTextSink | JsonLinesSink | JsonSink:
    if suffix == ".txt":
        return MotTextSink(path)
    json_sink = JsonLinesSink if suffix == ".jsonl" else JsonSink
    return json_sink(path, embeddings=embeddings)
