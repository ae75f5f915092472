"""The off-line second pass over finished tracks: cut, join, filter, interpolate, smooth.

In this order: tracks are cut at gaps whose sides do not fit, joined where motion and, where known,
appearance agree, freed of ghosts, interpolated, smoothed. Pure functions.
"""

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from tracker.boxes import cxcyah_to_xyxy, xyxy_to_cxcyah
from tracker.errors import ConfigError
from tracker.track_files.values import check_fps
from tracker.tracking.kalman import MotionNoise
from tracker.tracking.offline.camera_path import camera_path
from tracker.tracking.offline.fragments import Fragments
from tracker.tracking.offline.interpolation import boxes_between
from tracker.tracking.offline.join import JoinSettings, fit_frames, join_cost, rejoin
from tracker.tracking.offline.smooth import smooth_track
from tracker.tracking.offline.track_rows import TrackRows
from tracker.util.arrays import Float32Array, Float64Array, IndexArray
from tracker.util.check_types import check_finite, check_types

MOST_FILLED = 100_000
"""Longest gap in frames that may be interpolated: each frame becomes a row, and a wrong setting
must not exhaust the memory."""

_LINE = 10
"""Rows that a straight line is fitted to: enough for the jitter of boxes to average out."""


@dataclass(frozen=True, slots=True)
class RefineSettings:
    """Settings of `refine`.

    Attributes:
        join: When two tracks, or the two sides of a gap, are taken for one object.
        cut_missing: Gaps of at least this many frames within a track are reconsidered by comparing
            their two sides: on-line, only the first was known.
        keep_offset: Such a track stays whole where the sides pass `join` with this in place of its
            `max_offset`; it is larger, since the on-line association is evidence too.
        min_seen: Tracks seen in fewer frames are ghosts.
        min_score: Tracks whose mean score is below this share of the recording's median score are
            ghosts, in [0, 1]. A share, since detectors differ in their range of scores.
        lead_in: Frames that are added before the first of each track, by a straight line: on-line a
            track is reported late, from its `confirm_hits`-th detection on.
        noise: The motion model of the smoother; `None` leaves boxes as they are.

    Raises:
        ConfigError: A value is out of range.
    """

    join: JoinSettings = field(default_factory=JoinSettings)
    cut_missing: int = 10
    keep_offset: float = 0.8
    min_seen: int = 8
    min_score: float = 0.5
    lead_in: int = 2
    noise: MotionNoise | None = field(default_factory=MotionNoise)

    def __post_init__(self) -> None:
        check_types(self)
        allowed = {
            "cut_missing": (self.cut_missing >= 1, "1 or more"),
            "keep_offset": (0 < self.keep_offset < np.inf, "a number > 0"),
            "min_seen": (self.min_seen >= 1, "1 or more"),
            "lead_in": (self.lead_in >= 0, "0 or more"),
            "min_score": (0 <= self.min_score <= 1, "a number in [0, 1]"),
        }
        for name, (is_allowed, expected) in allowed.items():
            if not is_allowed:
                raise ConfigError(f"{name}: expected {expected}, got {getattr(self, name)}")
        check_finite(self)


@dataclass(frozen=True, slots=True, eq=False)
class RefinedTracks:
    """What `refine` returns.

    Attributes:
        rows: `R` rows, each track of one class; interpolated ones are not `seen`.
        velocities: `(R, 2)` float64 of the centre, pixels a frame.
        class_shares: `(R,)` float32 share of its track's seen rows that had that class.
        cut: Number of cuts within tracks.
        joined: Number of tracks, parts of cut ones included, that were joined to an earlier one.
        dropped: Number of tracks dropped as ghosts.
    """

    rows: TrackRows
    velocities: Float64Array
    class_shares: Float32Array
    cut: int
    joined: int
    dropped: int


def refine(rows: TrackRows, settings: RefineSettings, *, fps: float) -> RefinedTracks:
    """Returns the tracks cut where in doubt, joined, cleaned, filled and smoothed.

    Args:
        rows: The tracks of a whole recording.
        settings: Which steps are done, with their limits.
        fps: Frames a second.

    Raises:
        ConfigError: `fps` is out of range, or gaps would be too long in frames.
    """
    check_fps(fps)
    if settings.join.max_gap_s * fps > MOST_FILLED:
        raise ConfigError(
            f"max_gap_s: expected at most {MOST_FILLED} frames, which is {MOST_FILLED / fps:g} s "
            f"at {fps:g} frames a second, got {settings.join.max_gap_s:g}"
        )
    path = camera_path(rows, fps=fps)
    still = rows if path is None else rows.replace(boxes=path.to_still(rows.frames, rows.boxes))
    pieces = cut_where_in_doubt(still, settings, fps=fps)
    whole = rejoin(pieces, settings.join, fps=fps)
    kept = without_ghosts(whole, min_seen=settings.min_seen, min_score=settings.min_score)
    filled = fill_gaps(kept, max_missing=int(settings.join.max_gap_s * fps))
    voted, shares = _voted(add_lead_in(filled, settings.lead_in))
    smoothed, velocities = _smoothed(voted, settings.noise)
    if path is not None:
        smoothed = smoothed.replace(boxes=path.to_image(smoothed.frames, smoothed.boxes))
        velocities = _velocities(smoothed)
    counts = [len(table.spans()) for table in (rows, pieces, whole, kept)]
    return RefinedTracks(
        rows=smoothed,
        velocities=velocities,
        class_shares=shares,
        cut=counts[1] - counts[0],
        joined=counts[1] - counts[2],
        dropped=counts[2] - counts[3],
    )


def cut_where_in_doubt(rows: TrackRows, settings: RefineSettings, *, fps: float) -> TrackRows:
    """Returns the rows with each track cut at the long gaps whose two sides do not fit.

    The first part keeps the track's id, later parts get new ones above all others.
    """
    same = np.diff(rows.ids) == 0
    # A gap that no join would bridge is cut, even though the track was whole on-line.
    longest = max(1, min(settings.cut_missing, int(settings.join.max_gap_s * fps)))
    gaps = np.flatnonzero(same & (np.diff(rows.frames) > longest))
    if not len(gaps):
        return rows
    edges = np.unique([0, *gaps + 1, *np.flatnonzero(~same) + 1, len(rows)])
    pieces = [slice(a, b) for a, b in pairwise(edges.tolist())]
    fragments = Fragments.of(rows, pieces, fit_frames=fit_frames(settings.join, fps))
    before = np.searchsorted(edges, gaps + 1) - 1
    gates = replace(settings.join, max_offset=settings.keep_offset)
    fits = np.isfinite(join_cost(fragments, before, before + 1, gates, fps=fps))
    return _cut(rows, gaps[~fits] + 1)


def _cut(rows: TrackRows, starts: IndexArray) -> TrackRows:
    """Returns the rows with a new id from each of the given rows to the end of its track."""
    ids = rows.ids.copy()
    for span in rows.spans():
        inside = starts[(starts > span.start) & (starts < span.stop)]
        for number, start in zip(np.searchsorted(starts, inside), inside, strict=True):
            ids[start : span.stop] = rows.ids.max() + 1 + number
    return rows.replace(ids=ids)


def _voted(rows: TrackRows) -> tuple[TrackRows, Float32Array]:
    """Returns the rows with one class for each track, and `(R,)` the share of the vote it has."""
    lengths = [span.stop - span.start for span in rows.spans()]
    winners, shares = rows.class_votes()
    classes = np.repeat(winners, lengths)
    return rows.replace(classes=classes), np.repeat(shares, lengths)


def without_ghosts(rows: TrackRows, *, min_seen: int, min_score: float) -> TrackRows:
    """Returns the rows of tracks that were seen often and scored high enough.

    Args:
        rows: All tracks.
        min_seen: Fewest frames in which a track must have been seen.
        min_score: Lowest mean score, as a share of the median over all rows.
    """
    keep = np.zeros(len(rows), np.bool_)
    typical = float(np.median(rows.scores)) if len(rows) else 0.0
    for span in rows.spans():
        is_long = np.count_nonzero(rows.seen[span]) >= min_seen
        keep[span] = is_long and rows.scores[span].mean() >= min_score * typical
    return rows.select(keep)


def fill_gaps(rows: TrackRows, *, max_missing: int) -> TrackRows:
    """Returns the rows with the gaps within tracks filled by straight lines.

    Centre, aspect, height and score run evenly from one side of a gap to the other.

    Args:
        rows: All tracks.
        max_missing: Frames that a gap may have at most; longer ones stay open: appearance may tell
            that it is the same object, but not which way it went.
    """
    parts = [rows]
    for left in np.flatnonzero(np.diff(rows.ids) == 0).tolist():
        first, end = int(rows.frames[left]) + 1, int(rows.frames[left + 1])
        count = end - first
        if not 0 < count <= max_missing:
            continue
        frames = np.arange(first, end, dtype=np.int32)
        share = np.arange(1, count + 1) / (count + 1)
        boxes = boxes_between(rows.boxes[left], rows.boxes[left + 1], share)
        scores = rows.scores[left] + share * (rows.scores[left + 1] - rows.scores[left])
        parts.append(rows.unseen(left, frames, boxes, scores.astype(np.float32)))
    return TrackRows.concatenate(parts)


def add_lead_in(rows: TrackRows, count: int) -> TrackRows:
    """Returns the rows with up to `count` frames before each track, none before frame 0.

    Centre and height run back along the line through the first and the last of the track's first
    `_LINE` rows; a track of one row is left as it is.

    Args:
        rows: All tracks.
        count: Frames to add.
    """
    parts = [rows]
    for span in rows.spans():
        first = int(rows.frames[span.start])
        frames = np.arange(max(0, first - count), first, dtype=np.int32)
        line = xyxy_to_cxcyah(rows.boxes[span][:_LINE])
        if not len(frames) or len(line) < 2:
            continue
        step = (line[-1] - line[0]) / (rows.frames[span][len(line) - 1] - first)
        step[2] = 0.0
        before = line[0] + (frames - first)[:, None] * step
        before[:, 3] = np.maximum(before[:, 3], line[0, 3] / 2)
        scores = np.full(len(frames), rows.scores[span.start])
        parts.append(rows.unseen(span.start, frames, cxcyah_to_xyxy(before), scores))
    return TrackRows.concatenate(parts)


def _smoothed(rows: TrackRows, noise: MotionNoise | None) -> tuple[TrackRows, Float64Array]:
    """Returns the smoothed rows, and velocities `(R, 2)` in pixels a frame.

    Smoothing restarts after each remaining gap.
    """
    boxes, velocities = rows.boxes.copy(), np.zeros((len(rows), 2))
    for span in _runs(rows):
        if noise is not None:
            boxes[span], velocities[span] = smooth_track(rows.boxes[span], rows.seen[span], noise)
    smoothed = rows.replace(boxes=boxes)
    return smoothed, _velocities(rows) if noise is None else velocities


def _velocities(rows: TrackRows) -> Float64Array:
    """Returns `(R, 2)` pixels a frame, by the differences of the boxes before and after."""
    centres, velocities = (rows.boxes[:, :2] + rows.boxes[:, 2:]) / 2, np.zeros((len(rows), 2))
    for span in _runs(rows):
        if span.stop - span.start > 1:
            velocities[span] = np.gradient(centres[span], axis=0)
    return velocities


def _runs(rows: TrackRows) -> list[slice]:
    """Returns the rows of each track without a gap."""
    breaks = np.flatnonzero((np.diff(rows.ids) != 0) | (np.diff(rows.frames) != 1)) + 1
    return [slice(a, b) for a, b in pairwise(np.unique([0, *breaks, len(rows)]).tolist())]
