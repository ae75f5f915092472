"""DeepSORT (Wojke, Bewley, Paulus 2017, arXiv 1703.07402), written from the paper.

Comes in: the detections of one frame after the other. Goes out: `Tracks` with ids that stay.
"""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from tracker.arrays import BoolArray, Float64Array, IndexArray
from tracker.boxes import cxcyah_to_xyxy, pairwise_iou, xyxy_to_cxcyah
from tracker.detections import Detections
from tracker.errors import ConfigError, DataError
from tracker.tracking import kalman
from tracker.tracking.association import Matches, assign, join, matching_cascade, unmatched
from tracker.tracking.gallery import AppearanceGallery
from tracker.tracking.table import TrackTable
from tracker.tracks import Tracks, TrackState


class Report(StrEnum):
    """Which tracks `DeepSort.step` returns."""

    SEEN = "seen"
    """Confirmed, and seen in this frame."""
    CONFIRMED = "confirmed"
    """Confirmed, also where only predicted in this frame."""
    ALL = "all"
    """Every track, tentative ones (with negative provisional ids) included."""


class ClassPolicy(StrEnum):
    """Which classes may meet in one track."""

    ANY = "any"
    """All: a car that flickers to truck keeps its id, and the vote names it."""
    SAME = "same"
    """Only a detection of the track's voted class."""


@dataclass(frozen=True, slots=True)
class DeepSortSettings:
    """Settings of `DeepSort`; the defaults are the paper's where it gives a number.

    Attributes:
        confirm_hits: Detections in a row that confirm a track (sec. 2.1: three).
        max_age_frames: Nominal frame intervals without a detection after which a confirmed track
            ends (`A_max` = 30).
        gallery_size: Embeddings kept for each track (`L_k` = 100).
        max_appearance_distance: Largest admissible cosine distance `t2` (eq. 4).
        motion_weight: `lambda` of eq. 5: 0 = cost by appearance alone, motion only gates.
        motion_gate: Largest admissible squared Mahalanobis distance `t1` (eq. 2).
        min_iou: Smallest overlap that the IoU stage accepts.
        birth_score: Detections below this score continue tracks but do not start one.
        classes: Which classes may meet in one track.
        report: Which tracks `step` returns.
        noise: The motion model.
    """

    confirm_hits: int = 3
    max_age_frames: float = 30
    gallery_size: int = 100
    max_appearance_distance: float = 0.2
    motion_weight: float = 0.0
    motion_gate: float = kalman.GATE_95
    min_iou: float = 0.3
    birth_score: float = 0.0
    classes: ClassPolicy = ClassPolicy.ANY
    report: Report = Report.SEEN
    noise: kalman.MotionNoise = field(default_factory=kalman.MotionNoise)

    def __post_init__(self) -> None:
        ranges = {
            "confirm_hits": (1, np.inf),
            "max_age_frames": (0, np.inf),
            "gallery_size": (1, np.inf),
            "max_appearance_distance": (0, 2),
            "motion_weight": (0, 1),
            "motion_gate": (0, np.inf),
            "min_iou": (0, 1),
            "birth_score": (0, 1),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"tracking.{name}: expected {low}..{high}, got {value}")


class DeepSort:
    """Follows objects by motion and, where detections have embeddings, by appearance.

    One step is: predict; match confirmed tracks in the cascade by appearance within the motion
    gate; match what is left of the tracks seen in the last frame, and the tentative ones, by IoU;
    update, confirm, give birth, let die. Without embeddings (`(N, 0)`) the cascade's cost is the
    squared Mahalanobis distance within the same gate.

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
        table.age(dt)
        slots = table.order
        table.mean[slots], table.covariance[slots] = kalman.predict(
            table.mean[slots], table.covariance[slots], dt=dt, noise=noise
        )
        measurements = xyxy_to_cxcyah(detections.boxes)
        matches = self._associate(detections, measurements)
        self._update(slots[matches.rows], detections, measurements, matches.columns)
        dead = self._dead()
        self._gallery.clear(table.kill(dead))
        born = unmatched(len(detections), matches.columns)
        born = born[detections.scores[born] >= self._settings.birth_score]
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
        overlap = pairwise_iou(
            cxcyah_to_xyxy(table.mean[slots[left_rows], :4]), detections.boxes[left_columns]
        )
        min_iou = self._settings.min_iou
        admissible = (overlap >= min_iou) & may_meet[np.ix_(left_rows, left_columns)]
        by_iou = assign(1 - overlap, admissible, unmatched_cost=1 - min_iou)
        return join(cascade, Matches(left_rows[by_iou.rows], left_columns[by_iou.columns]))

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
        motion = kalman.squared_mahalanobis(
            table.mean[slots], table.covariance[slots], measurements, noise=settings.noise
        )
        admissible = (motion <= settings.motion_gate) & may_meet
        cost, unmatched_cost = motion, settings.motion_gate
        if detections.embeddings.shape[1]:
            appearance = self._gallery.distances(slots, detections.embeddings, admissible)
            admissible &= appearance <= settings.max_appearance_distance
            weight = settings.motion_weight
            near = np.where(admissible, appearance, 0.0)
            cost = weight * motion + (1 - weight) * near
            unmatched_cost = (
                weight * settings.motion_gate + (1 - weight) * settings.max_appearance_distance
            )
        return matching_cascade(
            cost, admissible, table.misses[slots].astype(np.intp), unmatched_cost=unmatched_cost
        )

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
        table.confirm(slots[ready])

    def _report(self, row_of_slot: IndexArray) -> Tracks:
        table = self._table
        states = table.states()
        shown = {
            Report.SEEN: states == TrackState.CONFIRMED,
            Report.CONFIRMED: states != TrackState.TENTATIVE,
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
