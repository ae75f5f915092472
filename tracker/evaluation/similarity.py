"""Ground truth and tracks of one sequence as input of the metrics: ids and IoU by frame."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from tracker.boxes import pairwise_iou
from tracker.errors import DataError
from tracker.evaluation.mot_io import Rules, Truth
from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.util.arrays import BoolArray, Float64Array, IndexArray, Int32Array, Int64Array

MATCH_IOU = 0.5
"""A track is on a distractor from this IoU on (MOT16, arXiv 1603.00831, sec. 4.1)."""

# TrackEval's tolerance: an IoU of one half counts in spite of rounding.
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """One sequence, ready for scoring; lists have one entry for each frame with boxes.

    Frames without boxes do not affect scores and are left out, so that memory is proportional to
    the number of boxes.

    Attributes:
        frames: `(F,)` int32 frame numbers from 0, ascending.
        frame_count: Length of the sequence, including frames without boxes.
        truth_ids: For each frame `(G,)`, numbered 0 to `truth_count` - 1 over the sequence.
        track_ids: For each frame `(T,)`, numbered 0 to `track_count` - 1.
        overlaps: For each frame `(G, T)` float64 IoU.
        truth_count: Number of ground truth ids.
        track_count: Number of track ids.
        names: `(truth_count,)` ground truth ids as in the file.
        removed: Number of track boxes removed because they are on distractors.
    """

    frames: Int32Array
    frame_count: int
    truth_ids: list[IndexArray]
    track_ids: list[IndexArray]
    overlaps: list[Float64Array]
    truth_count: int
    track_count: int
    names: Int64Array
    removed: int

    def trackeval_data(self) -> dict[str, Any]:
        """Returns the arrays by the names that TrackEval's metrics expect."""
        return {
            "num_timesteps": self.frame_count,
            "num_gt_ids": self.truth_count,
            "num_tracker_ids": self.track_count,
            "num_gt_dets": sum(map(len, self.truth_ids)),
            "num_tracker_dets": sum(map(len, self.track_ids)),
            "gt_ids": self.truth_ids,
            "tracker_ids": self.track_ids,
            "similarity_scores": self.overlaps,
        }


def compare(truth: Truth, tracks: RecordedTracks, rules: Rules) -> Comparison:
    """Returns the scored boxes of one sequence with their IoU.

    By MOT17 and MOT20 rules, tracks are first assigned to all annotated boxes (pairs of
    IoU >= 0.5, with the largest total IoU); those assigned to a distractor are removed.

    Args:
        truth: The annotated boxes.
        tracks: The tracks to evaluate.
        rules: The rules that the ground truth was read with.

    Raises:
        DataError: There are tracks after the end of the sequence.
    """
    frame_count = _length(truth, tracks)
    frames = np.union1d(truth.frames, tracks.frames).astype(np.int32)
    overlaps = []
    kept = np.ones(len(tracks), np.bool_)
    truth_at = np.append(np.searchsorted(truth.frames, frames), len(truth))
    track_at = np.append(np.searchsorted(tracks.frames, frames), len(tracks))
    for n in range(len(frames)):
        truth_rows = slice(truth_at[n], truth_at[n + 1])
        track_rows = slice(track_at[n], track_at[n + 1])
        overlap = pairwise_iou(truth.boxes[truth_rows], tracks.boxes[track_rows])
        if rules is not Rules.MOT15:
            kept[track_rows] = ~_on_distractors(overlap, truth.distractor[truth_rows])
        overlaps.append(overlap[np.ix_(truth.scored[truth_rows], kept[track_rows])])
    names, truth_ids = np.unique(truth.ids[truth.scored], return_inverse=True)
    track_names, track_ids = np.unique(tracks.ids[kept], return_inverse=True)
    return Comparison(
        frames=frames,
        frame_count=frame_count,
        truth_ids=_by_frame(truth_ids, truth.frames[truth.scored], frames),
        track_ids=_by_frame(track_ids, tracks.frames[kept], frames),
        overlaps=overlaps,
        truth_count=len(names),
        track_count=len(track_names),
        names=names,
        removed=int(np.sum(~kept)),
    )


def _length(truth: Truth, tracks: RecordedTracks) -> int:
    last_track = int(tracks.frames[-1]) + 1 if len(tracks) else 0
    if truth.frame_count is None:
        last_truth = int(truth.frames[-1]) + 1 if len(truth) else 0
        return max(last_truth, last_track)
    if last_track > truth.frame_count:
        raise DataError(
            f"tracks reach frame {last_track} (counted from 1), but the sequence has "
            f"{truth.frame_count}; are ground truth and tracks of the same sequence?"
        )
    return truth.frame_count


def _on_distractors(overlap: Float64Array, distractor: BoolArray) -> BoolArray:
    """Returns `(T,)`, whether a track is assigned to a distractor; `overlap` is `(G, T)` IoU."""
    scores = np.where(overlap >= MATCH_IOU - _EPSILON, overlap, 0)
    rows, columns = linear_sum_assignment(scores, maximize=True)
    hit = (scores[rows, columns] > 0) & distractor[rows]
    result = np.zeros(overlap.shape[1], np.bool_)
    result[columns[hit]] = True
    return result


def _by_frame(ids: IndexArray, rows: Int32Array, frames: Int32Array) -> list[IndexArray]:
    """Returns the ids of each frame; `rows` is the frame of each id."""
    return np.split(ids.astype(np.intp), np.searchsorted(rows, frames[1:]))[: len(frames)]


def id_switches(comparison: Comparison) -> tuple[IndexArray, Int64Array]:
    """Returns id switches: frame number `(S,)` and ground truth id `(S,)`, in ascending order.

    CLEAR's matching (Bernardin and Stiefelhagen 2008, sec. 2.1.2) as TrackEval does it: pairs of
    the previous frame are kept while IoU >= 0.5, the others are assigned by IoU; a switch is a
    ground truth id matched with another track than the last one.
    """
    last = np.full(comparison.truth_count, -1)
    before = last.copy()
    frames: list[int] = []
    switched: list[int] = []
    steps = zip(comparison.truth_ids, comparison.track_ids, comparison.overlaps, strict=True)
    for frame, (truth_ids, track_ids, overlap) in zip(
        comparison.frames.tolist(), steps, strict=True
    ):
        if not overlap.size:
            continue  # TrackEval's previous frame is the last one with both.
        # 1000: more than any sum of overlaps, so that pairs are kept first.
        scores = overlap + 1000 * (before[truth_ids][:, None] == track_ids[None, :])
        scores[overlap < MATCH_IOU - _EPSILON] = 0
        rows, columns = linear_sum_assignment(scores, maximize=True)
        hit = scores[rows, columns] > _EPSILON
        found, track = truth_ids[rows[hit]], track_ids[columns[hit]]
        new = found[(last[found] >= 0) & (last[found] != track)]
        frames += [frame] * len(new)
        switched += comparison.names[new].tolist()
        last[found] = track
        before[:] = -1
        before[found] = track
    return np.array(frames, np.intp), np.array(switched, np.int64)
