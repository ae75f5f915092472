"""The off-line second pass: whole tracks are better than what could be known frame by frame.

Comes in: the `TrackRows` of a finished run. Goes out: `RefinedTracks`. Pure functions, in this
order: tracks are cut at gaps, joined where motion agrees, freed of ghosts, filled, smoothed.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from tracker.arrays import Float32Array, Float64Array, Int64Array
from tracker.boxes import cxcyah_to_xyxy, xyxy_to_cxcyah
from tracker.errors import ConfigError
from tracker.tracking.kalman import MotionNoise
from tracker.tracking.rejoin import JoinSettings, rejoin
from tracker.tracking.rows import TrackRows
from tracker.tracking.smooth import smooth_track

_LINE = 10
"""Rows that a straight line is drawn through: long enough that the jitter of boxes averages out."""


@dataclass(frozen=True, slots=True)
class RefineSettings:
    """Settings of `refine`.

    Attributes:
        join: When two tracks, or the two sides of a gap, are taken for one object.
        cut_missing: A track is cut where at least so many frames are missing, because on-line it
            could not be known what comes after; what passes `join` is put together again.
        min_seen: Tracks seen in fewer frames are ghosts.
        min_score: Tracks whose mean score is below this share of the recording's median score are
            ghosts, in [0, 1]. A share, since detectors differ in how high they score.
        lead_in: Frames that are added before the first of each track, by a straight line: on-line a
            track is reported from its third detection on, so it was there two frames earlier.
        noise: The motion model of the smoother; `None` leaves boxes as they are.

    Raises:
        ConfigError: A value is out of range.
    """

    join: JoinSettings = field(default_factory=JoinSettings)
    cut_missing: int = 15
    min_seen: int = 8
    min_score: float = 0.85
    lead_in: int = 2
    noise: MotionNoise | None = field(default_factory=MotionNoise)

    def __post_init__(self) -> None:
        allowed = {
            "cut_missing": (self.cut_missing >= 1, "1 or more"),
            "min_seen": (self.min_seen >= 1, "1 or more"),
            "lead_in": (self.lead_in >= 0, "0 or more"),
            "min_score": (0 <= self.min_score <= 1, "a number in [0, 1]"),
        }
        for name, (is_allowed, expected) in allowed.items():
            if not is_allowed:
                raise ConfigError(f"{name}: expected {expected}, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True, eq=False)
class RefinedTracks:
    """What `refine` returns.

    Attributes:
        rows: `R` rows, each track of one class; those that were filled in are not `seen`.
        velocities: `(R, 2)` float64 of the centre, pixels a frame.
        class_shares: `(R,)` float32 share of its track's seen rows that had that class.
        cut: In how many places tracks were cut.
        joined: How many tracks, parts of cut ones included, were joined to an earlier one.
        dropped: How many tracks were dropped as ghosts.
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
        settings: What is done, and how far.
        fps: Frames a second, > 0.

    Raises:
        ConfigError: `fps` is not a number above 0.
    """
    if not 0 < fps < np.inf:
        raise ConfigError(f"fps: expected a number above 0, got {fps}")
    # A gap that no join would bridge is not bridged because the track was whole on-line.
    bridged = max(1, int(settings.join.max_gap_s * fps))
    pieces = cut_at_gaps(rows, min_missing=min(settings.cut_missing, bridged))
    whole = rejoin(pieces, settings.join, fps=fps)
    kept = without_ghosts(whole, min_seen=settings.min_seen, min_score=settings.min_score)
    voted, shares = _voted(add_lead_in(fill_gaps(kept), settings.lead_in))
    smoothed, velocities = _smoothed(voted, settings.noise)
    counts = [len(table.spans()) for table in (rows, pieces, whole, kept)]
    return RefinedTracks(
        rows=smoothed,
        velocities=velocities,
        class_shares=shares,
        cut=counts[1] - counts[0],
        joined=counts[1] - counts[2],
        dropped=counts[2] - counts[3],
    )


def cut_at_gaps(rows: TrackRows, *, min_missing: int) -> TrackRows:
    """Returns the rows with each track cut where at least `min_missing` frames are missing.

    The first part keeps the track's id, later parts get new ones above all others.
    """
    changes = np.diff(rows.ids) != 0
    cuts = ~changes & (np.diff(rows.frames) > min_missing)
    piece = np.concatenate([[0], np.cumsum(changes | cuts)])[: len(rows)]
    starts = np.flatnonzero(cuts) + 1
    if not len(starts):
        return rows
    ids = rows.ids.copy()
    new_id = {int(piece[s]): int(rows.ids.max()) + 1 + n for n, s in enumerate(starts)}
    for span in _runs(piece):
        ids[span] = new_id.get(int(piece[span.start]), ids[span.start])
    return rows.with_ids(ids)


def _runs(labels: Int64Array) -> list[slice]:
    """Returns the slices over which labels stay the same."""
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    return [slice(a, b) for a, b in pairwise(edges) if b > a]


def _voted(rows: TrackRows) -> tuple[TrackRows, Float32Array]:
    """Returns the rows with one class for each track, and `(R,)` the share of the vote it has."""
    lengths = [span.stop - span.start for span in rows.spans()]
    winners, shares = rows.class_votes()
    classes = np.repeat(winners, lengths)
    voted = TrackRows(rows.frames, rows.ids, rows.boxes, rows.scores, classes, rows.seen)
    return voted, np.repeat(shares, lengths)


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


def fill_gaps(rows: TrackRows) -> TrackRows:
    """Returns the rows with all gaps within tracks filled by straight lines.

    Centre, aspect, height and score run evenly from one side of a gap to the other.
    """
    parts = [rows]
    measured = xyxy_to_cxcyah(rows.boxes)
    for left in np.flatnonzero(np.diff(rows.ids) == 0).tolist():
        frames = np.arange(rows.frames[left] + 1, rows.frames[left + 1], dtype=np.int32)
        count = len(frames)
        if not count:
            continue
        share = (np.arange(1, count + 1) / (count + 1))[:, None]
        between = measured[left] + share * (measured[left + 1] - measured[left])
        scores = rows.scores[left] + share[:, 0] * (rows.scores[left + 1] - rows.scores[left])
        parts.append(
            TrackRows(
                frames=frames,
                ids=np.full(count, rows.ids[left]),
                boxes=cxcyah_to_xyxy(between),
                scores=scores.astype(np.float32),
                classes=np.full(count, rows.classes[left]),
                seen=np.zeros(count, np.bool_),
            )
        )
    return TrackRows.concatenate(parts)


def add_lead_in(rows: TrackRows, count: int) -> TrackRows:
    """Returns the rows with up to `count` frames before each track, none before frame 0.

    Centre and height run back along the line through the first and the last of the track's first
    `_LINE` rows; a track of one row is left as it is.

    Args:
        rows: Tracks without gaps.
        count: Frames to add.
    """
    parts = [rows]
    for span in rows.spans():
        first = int(rows.frames[span.start])
        frames = np.arange(max(0, first - count), first, dtype=np.int32)
        line = xyxy_to_cxcyah(rows.boxes[span][:_LINE])
        if not len(frames) or len(line) < 2:
            continue
        step = (line[-1] - line[0]) / (len(line) - 1)
        step[2] = 0.0
        before = line[0] + (frames - first)[:, None] * step
        before[:, 3] = np.maximum(before[:, 3], line[0, 3] / 2)
        parts.append(
            TrackRows(
                frames=frames,
                ids=np.full(len(frames), rows.ids[span.start]),
                boxes=cxcyah_to_xyxy(before),
                scores=np.full(len(frames), rows.scores[span.start]),
                classes=np.full(len(frames), rows.classes[span.start]),
                seen=np.zeros(len(frames), np.bool_),
            )
        )
    return TrackRows.concatenate(parts)


def _smoothed(rows: TrackRows, noise: MotionNoise | None) -> tuple[TrackRows, Float64Array]:
    """Returns the smoothed rows, and velocities `(R, 2)` in pixels a frame; no track has gaps."""
    boxes, velocities = rows.boxes.copy(), np.zeros((len(rows), 2))
    for span in rows.spans():
        if noise is not None:
            boxes[span], velocities[span] = smooth_track(rows.boxes[span], rows.seen[span], noise)
        elif span.stop - span.start > 1:
            centres = (rows.boxes[span, :2] + rows.boxes[span, 2:]) / 2
            velocities[span] = np.gradient(centres, axis=0)
    smoothed = TrackRows(rows.frames, rows.ids, boxes, rows.scores, rows.classes, rows.seen)
    return smoothed, velocities
