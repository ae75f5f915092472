"""The recordings of a video's pieces become that of the video: ids, ages, events and footer."""

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from tracker.boxes import is_proper
from tracker.cli.batch.pieces import Piece
from tracker.cli.run.outputs import Outputs, make_sinks
from tracker.config.run import Config
from tracker.errors import DataError
from tracker.frames import VideoInfo
from tracker.sinks.replayed_frames import recorded_results
from tracker.sources.source_names import source_name
from tracker.track_files.json_file import Header
from tracker.track_files.read import read_recording
from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.tracking.offline.seams import SeamSettings, same_tracks, window_frames
from tracker.tracking.offline.track_rows import TrackRows
from tracker.tracks import RunInfo
from tracker.util.address import shown_address
from tracker.util.arrays import Int64Array


class Join:
    """Writes one recording from those of the pieces, which it gets in their order.

    At most two pieces are in memory at a time.

    Args:
        source: The video.
        config: The configuration.
        outputs: The files of the video.
        split: What the header says about the pieces.
    """

    def __init__(
        self, source: str, config: Config, outputs: Outputs, split: Mapping[str, Any]
    ) -> None:
        names = [source_name(source)]
        (self._sinks,) = make_sinks([source], names, config, outputs)
        self._source, self._split = source, split
        self._run: RunInfo | None = None
        self._last: TrackRows | None = None
        self._ids = 0
        self._births: dict[int, int] = {}
        self._end_s = 0.0

    def add(self, piece: Piece, path: str) -> None:
        """Adds the recording of the next piece.

        Args:
            piece: The piece. Frames before and after it, which the recording may have, are left
                out.
            path: The recording, an empty file where the piece has no frames: cameras that record
                movement only leave pauses.

        Raises:
            DataError: It is malformed.
            OutputError: An output cannot be written.
        """
        if not os.path.getsize(path):
            return
        recording = read_recording(path)
        assert recording.header is not None, "the worker has written JSON"
        end_s = math.inf if piece.end_s is None else piece.end_s
        frames = [one for one in recording.frames if piece.start_s <= (one.time_s or 0.0) < end_s]
        if not frames:
            return
        seam, last = frames[0].index, frames[-1].index
        if (frames[0].time_s or 0.0) - self._end_s > _longest_gap_s():
            self._last = None
        self._end_s = frames[-1].time_s or 0.0
        new_ids = recording.tracks.ids
        if self._run is None:
            self._run = self._run_info(recording.header)
            self._ids = int(new_ids.max(initial=0))
        else:
            new_ids = self._new_ids(recording.tracks, seam, float(self._run.video.fps))
        tracks = recording.tracks.with_derived_columns()
        own_rows = np.flatnonzero((tracks.frames >= seam) & (tracks.frames <= last))
        own = replace(tracks.select(own_rows), ids=new_ids[own_rows])
        own = replace(own, ages=self._ages(own))
        mine = replace(recording, tracks=own, frames=tuple(frames))
        for result in recorded_results(mine, self._run):
            self._sinks.write(result)
        early = last - window_frames(SeamSettings(), float(self._run.video.fps))
        self._last = _rows(own.select(np.flatnonzero(own.frames > early)))

    def close(self, *, complete: bool) -> None:
        """Writes the events of the end and the footer.

        Raises:
            DataError: No piece has a frame.
            OutputError: An output cannot be written.
        """
        if complete and self._run is None:
            raise DataError(f"{shown_address(self._source)}: no piece of it has a frame")
        failure = self._sinks.close(complete=complete)
        if failure is not None:
            raise failure

    def _new_ids(self, tracks: RecordedTracks, seam: int, fps: float) -> Int64Array:
        """Returns the id in the whole video of each row."""
        known: dict[int, int] = {}
        if self._last is not None and len(self._last):
            settings = SeamSettings()
            near = tracks.frames <= seam + window_frames(settings, fps)
            rows = _rows(tracks.select(np.flatnonzero(near)))
            known = same_tracks(self._last, rows, settings, seam=seam, fps=fps)
        # Ids in the order in which tracks appear; those that end before the seam need none.
        for number in dict.fromkeys(tracks.ids[tracks.frames >= seam].tolist()):
            if number not in known:
                self._ids += 1
                known[number] = self._ids
        return np.array([known.get(number, -1) for number in tracks.ids.tolist()], np.int64)

    def _ages(self, tracks: RecordedTracks) -> Any:
        births = (tracks.frames - tracks.ages + 1).tolist()
        for number, birth in zip(tracks.ids.tolist(), births, strict=True):
            self._births.setdefault(number, birth)
        first = np.array([self._births[number] for number in tracks.ids.tolist()], np.int32)
        return (tracks.frames - first + 1).astype(np.int32)

    def _run_info(self, header: Header) -> RunInfo:
        fps = Fraction(header.fps or 1.0)
        return RunInfo(
            video=VideoInfo(shown_address(self._source), header.width, header.height, fps, 1 / fps),
            class_names=header.class_names,
            config={**header.config, "split": dict(self._split)},
            model_digests=header.models,
        )


def _longest_gap_s() -> float:
    """Returns the longest time between two ends of one object."""
    join = SeamSettings().join
    return max(join.max_gap_s, join.appearance_gap_s)


def _rows(tracks: RecordedTracks) -> TrackRows:
    """Returns the rows as the seam needs them: those with a proper box."""
    some = tracks.select(np.flatnonzero(is_proper(tracks.boxes.astype(np.float32))))
    rows = TrackRows.create(
        some.frames, some.ids, some.boxes, some.scores, some.classes, some.embeddings
    )
    return rows.replace(seen=some.seen[rows.origins])
