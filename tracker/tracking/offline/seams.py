"""Tracks of two overlapping pieces of one video: which are the same object.

Tracks that cover each other in the common frames are; of the others, those that pass the gates of
`refine` across the seam are. `A` = tracks of the piece before, `B` = of the piece after. Pure
functions.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from tracker.boxes import pairwise_iou
from tracker.errors import ConfigError
from tracker.tracking.offline.camera_path import camera_path
from tracker.tracking.offline.join import JoinSettings, continuations
from tracker.tracking.offline.track_rows import TrackRows
from tracker.util.check_types import check_types


@dataclass(frozen=True, slots=True)
class SeamSettings:
    """When tracks on both sides of a seam are taken for one object.

    Attributes:
        min_iou: Smallest mean IoU in the frames in which both are.
        half_life_s: Seconds before the seam at which a frame counts half: identities at the seam
            matter, not those before a switch.
        join: The gates for tracks that have no common frame.

    Raises:
        ConfigError: A value is out of range.
    """

    min_iou: float = 0.5
    half_life_s: float = 1.0
    join: JoinSettings = field(default_factory=JoinSettings)

    def __post_init__(self) -> None:
        check_types(self)
        if not 0 < self.min_iou <= 1:
            raise ConfigError(f"min_iou: expected a number in (0, 1], got {self.min_iou}")
        if not 0 < self.half_life_s < np.inf:
            raise ConfigError(f"half_life_s: expected a number > 0, got {self.half_life_s}")


def same_tracks(
    before: TrackRows, after: TrackRows, settings: SeamSettings, *, seam: int, fps: float
) -> dict[int, int]:
    """Returns the id in the piece before by the id in the piece after.

    Args:
        before: Rows of the piece before the seam, as far as the other one begins.
        after: Rows of the piece after the seam, which begins before it.
        settings: The gates.
        seam: First frame that belongs to the piece after.
        fps: Frames a second.
    """
    known = _by_common_frames(before, after, settings, seam=seam, fps=fps)
    return known | _across(before, after, known, settings, seam=seam, fps=fps)


def _by_common_frames(
    before: TrackRows, after: TrackRows, settings: SeamSettings, *, seam: int, fps: float
) -> dict[int, int]:
    """Returns pairs of largest total IoU, later frames counting more; classes by vote are equal."""
    old = before.select(before.frames < seam)
    new = after.select(after.frames < seam)
    old_ids, old_index = np.unique(old.ids, return_inverse=True)
    new_ids, new_index = np.unique(new.ids, return_inverse=True)
    if not len(old_ids) or not len(new_ids):
        return {}
    total = np.zeros((len(old_ids), len(new_ids)))
    weights = np.zeros_like(total)
    for frame in np.intersect1d(old.frames, new.frames).tolist():
        rows, columns = np.flatnonzero(old.frames == frame), np.flatnonzero(new.frames == frame)
        weight = 0.5 ** ((seam - frame) / (fps * settings.half_life_s))
        places = np.ix_(old_index[rows], new_index[columns])
        total[places] += weight * pairwise_iou(old.boxes[rows], new.boxes[columns])
        weights[places] += weight
    mean = np.divide(total, weights, out=np.zeros_like(total), where=weights > 0)
    is_allowed = (mean >= settings.min_iou) & (
        old.class_votes()[0][:, None] == new.class_votes()[0]
    )
    # A forbidden pair adds nothing, so it is taken only where no allowed one is lost by it.
    rows, columns = linear_sum_assignment(np.where(is_allowed, total, 0.0), maximize=True)
    return {
        int(new_ids[column]): int(old_ids[row])
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        if is_allowed[row, column]
    }


def _across(
    before: TrackRows,
    after: TrackRows,
    known: dict[int, int],
    settings: SeamSettings,
    *,
    seam: int,
    fps: float,
) -> dict[int, int]:
    """Returns the pairs where one ends before the seam and the other begins from it on."""
    # A track that is predicted beyond the seam has not ended.
    going_on = [known[one] for one in set(after.ids[after.frames >= seam].tolist()) if one in known]
    old = before.select(before.seen & (before.frames < seam))
    new = after.select(after.seen & (after.frames >= seam))
    highest = int(old.ids.max(initial=0))
    ids = [known.get(number, number + highest) for number in new.ids.tolist()]
    rows = TrackRows.concatenate([old, new.replace(ids=np.array(ids, np.int64))])
    path = camera_path(rows, fps=fps)
    if path is not None:
        rows = rows.replace(boxes=path.to_still(rows.frames, rows.boxes))
    ended = rows.select(~np.isin(rows.ids, going_on))
    pairs = continuations(ended, settings.join, fps=fps, seam=seam)
    return {later - highest: earlier for earlier, later in pairs.items()}


def window_frames(settings: SeamSettings, fps: float) -> int:
    """Returns how many frames on either side of a seam are compared."""
    join = settings.join
    longest_s = max(join.max_gap_s, join.appearance_gap_s) + join.fit_s
    return int(longest_s * fps) + 1
