"""What the tracker learns while it runs, applied to the track table.

Noise (`motion_bank.py`), camera motion from boxes (`box_motion.py`), the meaning of scores
(`score_scale.py`), how common weak ones of nothing are (`clutter.py`) and how long lost objects are
still there (`survival.py`).
"""

import numpy as np

from tracker.boxes import cxcyah_to_xyxy, paired_iou
from tracker.detections import Detections
from tracker.tracking import box_motion
from tracker.tracking.association import Matches
from tracker.tracking.camera_warp import warp
from tracker.tracking.clutter import Clutter
from tracker.tracking.motion_bank import MIN_HITS, MotionBank
from tracker.tracking.scene import Scene
from tracker.tracking.score_scale import ScoreScale, log_odds
from tracker.tracking.settings import DeepSortSettings, Report
from tracker.tracking.survival import LEAST_HITS, Survival
from tracker.tracking.track_table import TrackTable
from tracker.tracks import CameraMotion
from tracker.util.arrays import BoolArray, Float64Array, IndexArray, Int32Array

_MOST_CAMERA_MISSES = 4
"""Missed detections of a track up to which its prediction says something about the camera."""

_LONGEST_BRIDGE_S = 1.0
"""Longest gap in which predictions are reported, in seconds."""

_RIGHT_IOU = 0.5
"""A prediction was right where it overlaps the box found by this, as evaluations count it."""

_SCORE_SLOPE = 2.0
"""Log odds of being right for each of a score. Detectors differ: 1.1 for MOT15's public boxes, 3.4
for the built-in one, 2.4 for simulated ones, 0.3 for those made noisy."""

_TINY = 1e-9


class Learnt:
    """What was learnt since the source began.

    Args:
        settings: Of the tracker.
        frame_interval_s: Nominal seconds between two frames.
        frame_size: Width and height of the frames in pixels; `None` where unknown.

    Attributes:
        bank: The motion models with their weights.
    """

    def __init__(
        self,
        settings: DeepSortSettings,
        *,
        frame_interval_s: float,
        frame_size: tuple[int, int] | None,
    ) -> None:
        self._settings = settings
        self._frame_size = frame_size
        self.bank = MotionBank(
            settings.noise, adapts=settings.adapt_noise, frame_interval_s=frame_interval_s
        )
        self._scores = ScoreScale()
        self._clutter = Clutter()
        # What a constant setting decides is not learnt.
        self._learns_scores = settings.birth_score is None or settings.min_mean_score is None
        self._learns_gaps = settings.report is Report.LIKELY
        self._survival = Survival(max(round(_LONGEST_BRIDGE_S / frame_interval_s), 1), groups=2)

    def predict(self, table: TrackTable, dt: float, camera: CameraMotion | None) -> None:
        """Predicts all tracks, `dt` nominal frame intervals later.

        Args:
            table: The tracks.
            dt: Nominal frame intervals, > 0.
            camera: Camera motion since the last frame; `None` where not estimated.
        """
        if camera is not None:
            table.state = warp(table.state, camera)
        table.state = self.bank.predict(table.state, dt)
        self.combine(table)

    def combine(self, table: TrackTable) -> None:
        """Sets the tracks' means to those of the motion models together."""
        table.mean = self.bank.combine(table.state)

    def innovation_variance(self, table: TrackTable) -> Float64Array:
        """Returns `(T, 4)` variances of the innovations of the predicted tracks."""
        return self.bank.innovation_variance(table.state, table.mean)

    def follow_camera(
        self, table: TrackTable, measurements: Float64Array, variance: Float64Array
    ) -> bool:
        """Moves all tracks as the camera seems to have moved; returns whether it has.

        Args:
            table: The predicted tracks.
            measurements: `(N, 4)` cxcyah.
            variance: `(T, 4)` of the innovations.
        """
        recent = (table.confirmed & (table.misses <= _MOST_CAMERA_MISSES)).nonzero()[0]
        motion = box_motion.estimate(table.mean[recent], variance[recent], measurements)
        if motion is None:
            return False
        table.state = warp(table.state, motion)
        self.combine(table)
        return True

    def score_cost(self, detections: Detections, odds: Float64Array) -> Float64Array:
        """Returns `(N,)` costs of a match for a score that is too low to start a track, else 0.

        They are twice the log odds by which it is too low, and the logarithm of how much commoner
        such detections of nothing are than new objects.

        Args:
            detections: Those of the frame.
            odds: `(N,)` log odds of their scores.
        """
        least = self._settings.birth_score
        if least is None:
            short = self._scores.birth_limits(detections.classes) - odds
            return np.where(short > 0, _SCORE_SLOPE * short + self._clutter.cost, 0.0)
        short = np.maximum(log_odds(np.array([least])) - odds, _TINY)
        cost = _SCORE_SLOPE * short + self._clutter.cost
        return np.where(detections.scores < least, cost, 0.0)

    def update(self, table: TrackTable, matches: Matches, scene: Scene, dt: float) -> None:
        """Moves the matched tracks to their detections, and learns how far off they were.

        Args:
            table: The predicted tracks.
            matches: Of rows of the table with detections.
            scene: The detections.
            dt: Nominal frame intervals of the step.
        """
        rows, columns = matches.rows, matches.columns
        if len(rows):
            weight, scale = self._settings.score_noise, None
            if weight:
                scale = 1 - weight * scene.detections.scores[columns].astype(np.float64)
            found = self.bank.innovations(table.state, rows, scene.measurements[columns], scale)
            if self._settings.adapt_noise:
                steady = rows[(table.misses[rows] == 1) & (table.hits[rows] >= MIN_HITS)]
                self.bank.learn(found, steady, dt)
            table.state = self.bank.update(table.state, found)
        self.combine(table)

    def learn(self, table: TrackTable, matches: Matches, scene: Scene, odds: Float64Array) -> None:
        """Takes in what the matches of a frame say of scores and gaps, before the update.

        Args:
            table: The predicted tracks.
            matches: Of rows of the table with detections.
            scene: The detections.
            odds: `(N,)` log odds of the scores of the detections.
        """
        detections, rows, columns = scene.detections, matches.rows, matches.columns
        self._learn_clutter(scene.score_cost, columns)
        confirmed = table.confirmed[rows]
        if self._learns_scores:
            seen = columns[confirmed]
            self._scores.learn(detections.classes[seen], odds[seen], detections.classes, odds)
        if not self._learns_gaps:
            return
        is_back = confirmed & (table.misses[rows] > 1) & (table.hits[rows] >= LEAST_HITS)
        if np.count_nonzero(is_back):
            back = rows[is_back]
            predicted = cxcyah_to_xyxy(table.mean[back])
            right = paired_iou(predicted, detections.boxes[columns[is_back]]) >= _RIGHT_IOU
            self._survival.learn(table.misses[back] - 1, right, self._survival_groups(table, back))

    def _learn_clutter(self, score_cost: Float64Array, matched: IndexArray) -> None:
        weak = int(np.count_nonzero(score_cost))
        weak_matched = int(np.count_nonzero(score_cost[matched]))
        unmatched = len(score_cost) - len(matched)
        self._clutter.learn(weak - weak_matched, unmatched - weak + weak_matched)

    def learn_deletion(self, table: TrackTable, deleted: BoolArray) -> None:
        """Takes in that lost tracks of a mask `(T,)` did not come back."""
        if not self._learns_gaps:
            return
        gone = (deleted & table.confirmed & (table.hits >= LEAST_HITS)).nonzero()[0]
        if len(gone):
            none = np.zeros(len(gone), np.bool_)
            self._survival.learn(table.misses[gone], none, self._survival_groups(table, gone))

    def is_score_usual(self, table: TrackTable) -> BoolArray:
        """Returns `(T,)`: whether a track's mean score is not far below the usual one."""
        return np.asarray(table.mean_odds >= self._scores.mean_limits(table.classes))

    def is_likely_there(self, table: TrackTable) -> BoolArray:
        """Returns `(T,)`: whether the prediction of a lost track is likely right.

        That is the share of those that were right after as many misses, times how likely the track
        is one of an object: half at the least mean score that is reported.
        """
        likely = np.zeros(len(table), np.bool_)
        rows = ((table.misses > 0) & (table.hits >= LEAST_HITS)).nonzero()[0]
        if len(rows):
            share = self._survival.share(table.misses[rows], self._survival_groups(table, rows))
            above = table.mean_odds[rows] - self._mean_limits(table.classes[rows])
            is_object = 1 / (1 + np.exp(-_SCORE_SLOPE * above))
            right = share * is_object >= self._settings.bridge_share
            likely[rows] = (share > 0) & right
        return likely

    def _mean_limits(self, classes: Int32Array) -> Float64Array:
        least = self._settings.min_mean_score
        if least is None:
            return self._scores.mean_limits(classes)
        return np.full(len(classes), log_odds(np.array([least]))[0])

    def _survival_groups(self, table: TrackTable, rows: IndexArray) -> IndexArray:
        """Returns `(n,)`: 1 for tracks whose predicted box the image's border cuts, else 0."""
        if self._frame_size is None:
            return np.zeros(len(rows), np.intp)
        boxes = cxcyah_to_xyxy(table.mean[rows])
        outside = (boxes[:, :2] < 0) | (boxes[:, 2:] > self._frame_size)
        return np.asarray(outside.any(axis=1), np.intp)
