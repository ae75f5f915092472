"""What `tracker refine` does: read a recording, refine its tracks, write them anew."""

import dataclasses
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tracker.boxes import is_proper
from tracker.detections import Detections
from tracker.errors import ConfigError, DataError
from tracker.frames import Frame, VideoInfo
from tracker.masks import Mask, empty_mask
from tracker.sinks.json_document import JsonSink
from tracker.sinks.json_lines import JsonLinesSink
from tracker.sinks.json_records import Embeddings
from tracker.sinks.mot_text import MotTextSink
from tracker.sinks.place import Existing, claimed
from tracker.track_files.json_file import FrameFacts, Header, Recording
from tracker.track_files.read import read_recording
from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.tracking.offline.refine import RefinedTracks, RefineSettings, refine
from tracker.tracking.offline.track_rows import TrackRows
from tracker.tracks import RunInfo, TrackedFrame, Tracks, TrackState
from tracker.util.arrays import Float32Array, Int32Array
from tracker.util.atomic_file import replaced_file

_log = logging.getLogger(__name__)

MOT_FPS = 30.0
"""Frames a second of MOT text, which does not tell, unless the user does."""

_ENDINGS = (".txt", ".jsonl", ".json")


@dataclass(frozen=True, slots=True)
class RefineRequest:
    """All that `tracker refine` was asked to do.

    Attributes:
        source: MOT text, JSON Lines or a JSON document of ours.
        output: Where the result goes; `.txt`, `.jsonl` or `.json` says in which form. May be the
            source itself.
        settings: How tracks are refined.
        fps: Frames a second of MOT text; `None` for `MOT_FPS`. JSON tells its own.
        existing: Whether a file that is there may be replaced.
    """

    source: str
    output: str
    settings: RefineSettings = field(default_factory=RefineSettings)
    fps: float | None = None
    existing: Existing = Existing.REPLACE


def run_refine(request: RefineRequest) -> str:
    """Returns a line on what was changed, after the output was written.

    Raises:
        ConfigError: The output's ending is unknown, or the recording does not fit the options.
        SourceError: The recording cannot be read.
        DataError: The recording is malformed, or has no frames.
        OutputTakenError: Another process writes the output, or it is there and may not be replaced.
        OutputError: The output cannot be written; what was there before is still there.
    """
    suffix = Path(request.output).suffix.lower()
    if suffix not in _ENDINGS:
        raise ConfigError(
            f"{request.output}: expected a name that ends with {', '.join(_ENDINGS)}, got "
            f"{suffix or 'no ending'}"
        )
    with claimed(request.output, request.existing):
        return _refined(request)


def _refined(request: RefineRequest) -> str:
    recording = read_recording(request.source)
    _check_form(request, recording)
    fps = _fps(request, recording.tracks)
    before = len(set(recording.tracks.ids.tolist()))
    tracks = _seen(request.source, recording.tracks)
    refined = refine(_rows(tracks), request.settings, fps=fps)
    recording = dataclasses.replace(recording, tracks=tracks)
    _write(request, recording, _results(request, recording, refined))
    filled = np.count_nonzero(~refined.rows.seen)
    return (
        f"{request.output}: {len(refined.rows.spans())} tracks of {before}; "
        f"cut at {refined.cut} gaps, {refined.joined} joined, {refined.dropped} ghosts dropped, "
        f"{filled} boxes filled in"
    )


def _check_form(request: RefineRequest, recording: Recording) -> None:
    """Raises unless the recording can be written in the form that the output's name asks for."""
    if recording.header is not None:
        if not recording.frames:
            raise DataError(f"{request.source}: expected at least one frame, got a header alone")
    elif Path(request.output).suffix.lower() != ".txt":
        if not len(recording.tracks):
            raise DataError(
                f"{request.source}: expected tracks, got an empty file; refine the JSON output of "
                "a run"
            )
        raise ConfigError(
            f"{request.output}: MOT text does not tell the picture's size, which JSON must hold; "
            "name an output that ends with .txt, or refine the JSON output of the run"
        )


def _fps(request: RefineRequest, tracks: RecordedTracks) -> float:
    if tracks.fps is None:
        return MOT_FPS if request.fps is None else request.fps
    if request.fps is not None:
        raise ConfigError(
            f"--fps {request.fps:g}: {request.source} tells its own ({tracks.fps:g}); leave it out"
        )
    return tracks.fps


def _seen(source: str, tracks: RecordedTracks) -> RecordedTracks:
    """Returns the rows where an object was seen; predictions are made anew by `refine`."""
    keep = is_proper(tracks.boxes.astype(np.float32))
    if not keep.all():
        _log.warning(
            "%s: %d boxes without width or height left out", source, np.count_nonzero(~keep)
        )
    return tracks.select(keep & tracks.seen)


def _rows(tracks: RecordedTracks) -> TrackRows:
    return TrackRows.create(
        tracks.frames, tracks.ids, tracks.boxes, tracks.scores, tracks.classes, tracks.embeddings
    )


def _results(
    request: RefineRequest, recording: Recording, refined: RefinedTracks
) -> Iterator[TrackedFrame]:
    run = _run_info(request, recording)
    fps = float(run.video.fps)
    columns = _columns(refined, fps=fps)
    by_frame = np.argsort(columns["frames"], kind="stable")  # rows are by id, so ids rise within
    columns = {name: values[by_frame] for name, values in columns.items()}
    frames = columns.pop("frames")
    rows = refined.rows
    looks = _Looks(rows.embeddings[by_frame], _masks(recording.tracks, rows.origins[by_frame]))
    image = np.zeros((1, 1, 3), np.uint8)  # text formats do not look at pictures
    for facts in recording.frames or _frames_of_rows(frames):
        low, high = np.searchsorted(frames, [facts.index, facts.index + 1])
        tracks_now = Tracks(**{name: values[low:high] for name, values in columns.items()})
        detections, index = _detections(tracks_now, looks.of(slice(low, high)))
        time_s = facts.index / fps if facts.time_s is None else facts.time_s
        yield TrackedFrame(
            frame=Frame(image, facts.index, time_s, run.video.source, facts.wall_time),
            detections=detections,
            tracks=dataclasses.replace(tracks_now, detection_index=index),
            timings_s={},
            run=run,
            dropped=facts.dropped,
            age_s=facts.age_s,
            is_coasted=facts.is_coasted,
        )


def _frames_of_rows(frames: Int32Array) -> Iterator[FrameFacts]:
    """Yields the frames that MOT text has rows in, at least one: the file is written anyway."""
    for index in np.unique(frames).tolist() or [0]:
        yield FrameFacts(index, 0.0, None, None, 0, False)


@dataclass(frozen=True, slots=True, eq=False)
class _Looks:
    """What rows look like: `(R, D)` embeddings, and `R` masks, some empty, or `None`."""

    embeddings: Float32Array
    masks: tuple[Mask, ...] | None

    def of(self, rows: slice) -> "_Looks":
        return _Looks(self.embeddings[rows], None if self.masks is None else self.masks[rows])


def _masks(tracks: RecordedTracks, origins: Int32Array) -> tuple[Mask, ...] | None:
    """Returns the mask of each row, empty for one that was filled in or never had one."""
    known = tracks.masks or ()
    first = next((mask for mask in known if mask is not None), None)
    if first is None:
        return None
    nothing = empty_mask(first.size)
    return tuple((known[row] if row >= 0 else None) or nothing for row in origins.tolist())


def _detections(tracks: Tracks, looks: _Looks) -> tuple[Detections, Int32Array]:
    """Returns what was seen in a frame, and `(T,)` which of that is which track (-1: none)."""
    seen = np.flatnonzero(tracks.states == TrackState.CONFIRMED)
    # `Detections` sorts by score; sorted already, rows keep their places.
    seen = seen[np.argsort(-tracks.scores[seen], kind="stable")]
    index = np.full(len(tracks), -1, np.int32)
    index[seen] = np.arange(len(seen))
    found = (tracks.boxes, tracks.scores, tracks.classes, looks.embeddings)
    masks = None if looks.masks is None else [looks.masks[row] for row in seen.tolist()]
    return Detections.create(*(values[seen] for values in found), masks=masks), index


def _columns(refined: RefinedTracks, *, fps: float) -> dict[str, Any]:
    """Returns the arrays of `Tracks`, and `frames`, over all rows."""
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
    fps = Fraction(_fps(request, recording.tracks))
    # The header's own `program` names who writes this file; who made the tracks stands here.
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


def _write(request: RefineRequest, recording: Recording, results: Iterator[TrackedFrame]) -> None:
    """Writes beside the output and moves it there, so that it appears whole or not at all."""
    target = Path(request.output)
    has_looks = recording.tracks.embeddings.shape[1] > 0
    embeddings = Embeddings.INCLUDE if has_looks else Embeddings.OMIT
    suffix = Path(os.path.realpath(target)).suffix.lower()
    # The sink locks the draft, which keeps a second process away.
    with replaced_file(target) as draft, _sink(str(draft), suffix, embeddings) as sink:
        for result in results:
            sink.write(result)
        sink.close(complete=recording.complete)


def _sink(path: str, suffix: str, embeddings: Embeddings) -> MotTextSink | JsonLinesSink | JsonSink:
    if suffix == ".txt":
        return MotTextSink(path)
    json_sink = JsonLinesSink if suffix == ".jsonl" else JsonSink
    return json_sink(path, embeddings=embeddings)
