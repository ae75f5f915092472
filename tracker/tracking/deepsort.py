"""DeepSORT (Wojke, Bewley, Paulus 2017, arXiv 1703.07402), written from the paper.

Comes in: the detections of one frame after the other. Goes out: `Tracks` with ids that stay.
"""

import numpy as np

from tracker.arrays import BoolArray, Float64Array, IndexArray
from tracker.boxes import cxcyah_to_xyxy, pairwise_iou, xyxy_to_cxcyah
from tracker.detections import Detections
from tracker.errors import DataError
from tracker.tracking import kalman
from tracker.tracking.association import Matches, assign, join, matching_cascade, unmatched
from tracker.tracking.gallery import AppearanceGallery
from tracker.tracking.settings import ClassPolicy, DeepSortSettings, MotionCost, Report
from tracker.tracking.table import TrackTable
from tracker.tracks import Tracks, TrackState


class DeepSort:
    """Follows objects by motion and, where detections have embeddings, by appearance.

    One step is: predict; match confirmed tracks in the cascade by appearance within the motion
    gate; match what is left of the tracks seen in the last frame, and the tentative ones, by IoU;
    update, confirm, give birth, let die. Without embeddings (`(N, 0)`) the cascade compares motion
    alone (`motion_cost`), and lost tracks may take near detections that nothing claimed.

    All state, the next id included, belongs to the instance.

    Args:
        settings: See `DeepSortSettings`.

    Example:
        >>> import numpy as np
        >>> deepsort = DeepSort()
        >>> for x in (0, 2, 4):
        ...     found = Detections.create([[x, 0, x + 10, 20]], [0.9])
        ...     tracks = deepsort.step(found)
        >>> tracks.ids.tolist()
        [1]
    """

    def __init__(self, settings: DeepSortSettings | None = None) -> None:
        self._settings = settings or DeepSortSettings()
        self.reset(frame_interval_s=1 / 30)

    @property
    def settings(self) -> DeepSortSettings:
        """The settings that the instance was made with."""
        return self._settings

    @property
    def alive(self) -> int:
        """Tracks that are kept at present, reported or not."""
        return len(self._table)

    def reset(self, *, frame_interval_s: float) -> None:
        """Forgets all tracks and starts ids at 1 again.

        Args:
            frame_interval_s: Nominal seconds between two frames, the unit of `dt`.

        Raises:
            DataError: The interval is not above 0.
        """
        if not 0 < frame_interval_s < np.inf:
            raise DataError(f"frame_interval_s: expected seconds above 0, got {frame_interval_s}")
        self._frame_interval_s = frame_interval_s
        self._table = TrackTable()
        self._gallery = AppearanceGallery(self._settings.gallery_size)
        self._embedding_size: int | None = None

    def step(self, detections: Detections, *, dt: float = 1.0) -> Tracks:
        """Returns the tracks of the next frame.

        Args:
            detections: What was found in the frame.
            dt: Nominal frame intervals since the last step, > 0.

        Raises:
            DataError: `dt` is not above 0, or the size of the embeddings changed.
        """
        if not 0 < dt < np.inf:
            raise DataError(f"dt: expected frame intervals above 0, got {dt}")
        self._check_embedding_size(detections)
        table, noise = self._table, self._settings.noise
        slots = table.order
        table.age(dt)
        table.mean[slots], table.covariance[slots] = kalman.predict(
            table.mean[slots], table.covariance[slots], dt=dt, noise=noise
        )
        measurements = xyxy_to_cxcyah(detections.boxes)
        matches = self._associate(detections, measurements)
        self._update(slots[matches.rows], detections, measurements, matches.columns)
        dead = self._dead()
        self._gallery.clear(table.kill(dead))
        born = unmatched(len(detections), matches.columns)
        born = born[detections.scores[born] >= (self._settings.birth_score or 0)]
        self._give_birth(detections, measurements, born)
        self._confirm()
        row_of_slot = np.full(len(table.ids), -1, np.intp)
        row_of_slot[slots[matches.rows]] = matches.columns
        row_of_slot[table.order[len(table) - len(born) :]] = born
        return self._report(row_of_slot)

    def _check_embedding_size(self, detections: Detections) -> None:
        if not len(detections):
            return
        size = detections.embeddings.shape[1]
        if self._embedding_size not in (None, size):
            raise DataError(
                f"Detections.embeddings: expected {self._embedding_size} values each as before, "
                f"got {size}; call reset() before another embedder is used"
            )
        self._embedding_size = size

    def _associate(self, detections: Detections, measurements: Float64Array) -> Matches:
        """Returns matches of rows of `table.order` with detections: the cascade, then IoU."""
        table, slots = self._table, self._table.order
        may_meet = self._classes_may_meet(detections)
        confirmed = np.flatnonzero(table.confirmed[slots])
        cascade = self._cascade(confirmed, detections, measurements, may_meet[confirmed])
        cascade = Matches(confirmed[cascade.rows], cascade.columns)

        left_rows = unmatched(len(slots), cascade.rows)
        fresh = ~table.confirmed[slots[left_rows]] | (table.misses[slots[left_rows]] == 1)
        left_rows = left_rows[fresh]
        left_columns = unmatched(len(detections), cascade.columns)
        if not len(left_columns):
            return cascade
        cost, admissible = self._overlap_cost(slots[left_rows], detections, left_columns)
        admissible &= may_meet[np.ix_(left_rows, left_columns)]
        by_iou = assign(cost, admissible, unmatched_cost=1.0)
        matches = join(cascade, Matches(left_rows[by_iou.rows], left_columns[by_iou.columns]))
        if detections.embeddings.shape[1] or not self._settings.refind_reach:
            return matches
        return join(matches, self._refind(matches, detections, measurements, may_meet))

    def _overlap_cost(
        self, slots: IndexArray, detections: Detections, columns: IndexArray
    ) -> tuple[Float64Array, BoolArray]:
        """Returns costs in [0, 1] by overlap `(T, N)` and which pairs overlap enough."""
        predicted = cxcyah_to_xyxy(self._table.mean[slots, :4])
        overlap = pairwise_iou(predicted, detections.boxes[columns])
        return 1 - overlap, overlap >= self._settings.min_iou

    def _refind(
        self,
        matches: Matches,
        detections: Detections,
        measurements: Float64Array,
        may_meet: BoolArray,
    ) -> Matches:
        """Returns matches of lost tracks with near detections that would start a track else."""
        settings, table = self._settings, self._table
        rows = unmatched(len(table), matches.rows)
        rows = rows[table.confirmed[table.order[rows]]]
        columns = unmatched(len(detections), matches.columns)
        columns = columns[detections.scores[columns] >= (settings.birth_score or 0)]
        slots = table.order[rows]
        mean, seen = table.mean[slots, None, :4], measurements[None, columns]
        height = np.sqrt(mean[..., 3] * seen[..., 3])
        distance = np.hypot(mean[..., 0] - seen[..., 0], mean[..., 1] - seen[..., 1]) / height
        reach = np.minimum(
            settings.refind_reach + settings.refind_growth * table.misses[slots],
            settings.refind_max_reach,
        )
        ratio = np.abs(np.log(mean[..., 3] / seen[..., 3]))
        admissible = (distance <= reach[:, None]) & (ratio <= np.log(settings.refind_size_ratio))
        admissible &= may_meet[np.ix_(rows, columns)]
        found = assign(distance, admissible, unmatched_cost=settings.refind_max_reach)
        return Matches(rows[found.rows], columns[found.columns])

    def _cascade(
        self,
        rows: IndexArray,
        detections: Detections,
        measurements: Float64Array,
        may_meet: BoolArray,
    ) -> Matches:
        """Returns the cascade's matches for rows of `table.order`, numbered within `rows`."""
        settings, table = self._settings, self._table
        slots = table.order[rows]
        misses = table.misses[slots].astype(np.intp)
        has_appearance = detections.embeddings.shape[1] > 0
        if not has_appearance and settings.motion_cost is MotionCost.OVERLAP:
            cost, admissible = self._overlap_cost(slots, detections, np.arange(len(detections)))
            return matching_cascade(cost, admissible & may_meet, misses, unmatched_cost=1.0)
        motion = kalman.squared_mahalanobis(
            table.mean[slots], table.covariance[slots], measurements, noise=settings.noise
        )
        admissible = (motion <= settings.motion_gate) & may_meet
        cost, unmatched_cost = motion, settings.motion_gate
        if has_appearance:
            appearance = self._gallery.distances(
                slots,
                detections.embeddings,
                admissible,
                enough=settings.max_appearance_distance,
            )
            admissible &= appearance <= settings.max_appearance_distance
            weight = settings.motion_weight
            near = np.where(admissible, appearance, 0.0)
            cost = weight * motion + (1 - weight) * near
            unmatched_cost = (
                weight * settings.motion_gate + (1 - weight) * settings.max_appearance_distance
            )
        return matching_cascade(cost, admissible, misses, unmatched_cost=unmatched_cost)

    def _classes_may_meet(self, detections: Detections) -> BoolArray:
        slots = self._table.order
        if self._settings.classes is ClassPolicy.ANY or not len(slots):
            return np.ones((len(slots), len(detections)), np.bool_)
        voted = self._table.votes[slots].argmax(axis=1)
        return np.asarray(voted[:, None] == detections.classes[None, :])

    def _update(
        self,
        slots: IndexArray,
        detections: Detections,
        measurements: Float64Array,
        columns: IndexArray,
    ) -> None:
        table = self._table
        table.mean[slots], table.covariance[slots] = kalman.update(
            table.mean[slots],
            table.covariance[slots],
            measurements[columns],
            noise=self._settings.noise,
        )
        table.see(slots, detections, columns)
        self._gallery.add(slots, detections.embeddings[columns])

    def _dead(self) -> BoolArray:
        """Returns a mask `(T,)`: tentative and missed once, or unseen for too long."""
        table, slots = self._table, self._table.order
        tentative = ~table.confirmed[slots] & (table.misses[slots] > 0)
        return tentative | (table.unseen[slots] > self._settings.max_age_frames)

    def _give_birth(
        self, detections: Detections, measurements: Float64Array, columns: IndexArray
    ) -> None:
        mean, covariance = kalman.initiate(measurements[columns], self._settings.noise)
        slots = self._table.born(mean, covariance, detections, columns)
        self._gallery.add(slots, detections.embeddings[columns])

    def _confirm(self) -> None:
        table, slots = self._table, self._table.order
        ready = ~table.confirmed[slots] & (table.hits[slots] >= self._settings.confirm_hits)
        ready &= table.mean_scores[slots] >= (self._settings.min_mean_score or 0)
        table.confirm(slots[ready])

    def _report(self, row_of_slot: IndexArray) -> Tracks:
        table = self._table
        states = table.states()
        sure = table.mean_scores[table.order] >= (self._settings.min_mean_score or 0)
        shown = {
            Report.SEEN: sure & (states == TrackState.CONFIRMED),
            Report.CONFIRMED: sure & (states != TrackState.TENTATIVE),
            Report.ALL: np.ones(len(states), np.bool_),
        }[self._settings.report]
        order = np.argsort(table.ids[table.order[shown]], kind="stable")
        slots = table.order[shown][order]
        votes = table.votes[slots]
        classes = votes.argmax(axis=1) if len(slots) else np.zeros(0, np.intp)
        total = votes.sum(axis=1)
        return Tracks(
            ids=table.ids[slots],
            boxes=cxcyah_to_xyxy(table.mean[slots, :4]).astype(np.float32),
            velocities=(table.mean[slots, 4:6] / self._frame_interval_s).astype(np.float32),
            scores=table.scores[slots],
            classes=classes.astype(np.int32),
            class_scores=(votes[np.arange(len(slots)), classes] / total).astype(np.float32),
            states=states[shown][order].astype(np.uint8),
            ages=table.ages[slots],
            misses=table.misses[slots],
            detection_index=row_of_slot[slots].astype(np.int32),
        )
