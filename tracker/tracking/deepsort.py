"""DeepSORT (Wojke, Bewley, Paulus 2017, arXiv 1703.07402), written from the paper.

`DeepSort.step` processes one frame: prediction, association, update, deletion, birth and
confirmation of tracks. The stages of the association, with their gates and costs, are in
`matching_stages.py`; the state of the tracks is in `track_table.py` and `gallery.py`.
"""

import numpy as np

from tracker.boxes import cxcyah_to_xyxy, xyxy_to_cxcyah
from tracker.detections import Detections
from tracker.errors import DataError
from tracker.tracking.association import Matches, unmatched
from tracker.tracking.coverage import covered_by_nearer
from tracker.tracking.duplicates import without_duplicates
from tracker.tracking.gallery import AppearanceGallery
from tracker.tracking.learnt import Learnt
from tracker.tracking.matching_stages import associate
from tracker.tracking.resume_ids import resumed
from tracker.tracking.scene import Scene, make_scene
from tracker.tracking.score_scale import log_odds
from tracker.tracking.settings import DeepSortSettings, Report
from tracker.tracking.track_table import TrackTable
from tracker.tracks import CameraMotion, Tracks, TrackState
from tracker.util.arrays import BoolArray, Float32Array, Float64Array, IndexArray

_MIN_LOST_STEPS = 3
"""Steps that a lost track survives at least: one step counts for at most a third of the maximum
age. Otherwise one missed detection after an interruption of the camera would delete a track."""

_MAX_STEP_AGES = 10.0
"""A step longer than this many maximum ages deletes all tracks: the scene has changed."""


class DeepSort:
    """Tracks objects by motion and, where detections have embeddings, by appearance.

    A step predicts all tracks, associates them with the detections, learns from the matches (noise,
    the meaning of scores, how long lost objects are still there), updates the matched ones, deletes
    tracks, starts a tentative track at each unmatched detection, and confirms tracks.

    By default confirmed tracks are assigned at once, then tentative ones, each pair at the cost of
    all that is known (`joint_stage.py`). With `association: stages`, the stages run in this order,
    each on the tracks and detections that the earlier ones left unmatched
    (`matching_stages.stages`):

    1. Appearance: confirmed tracks, by embedding distance within the motion gate.
    2. Motion: confirmed tracks, by motion alone (`motion_cost`) in the paper's matching cascade;
       only pairs in which an appearance is unknown (a row of zeros, or no embeddings, `(N, 0)`).
    3. IoU: tentative tracks, and confirmed ones that were matched in the previous step.
    4. Low score (`low_score`): confirmed tracks that were matched in the previous step with the
       detections of low score, by IoU. No other stage uses these detections.
    5. Re-find (`refind_reach`): confirmed tracks with near detections of similar height; only pairs
       in which an appearance is unknown.

    For a frame on which the detector did not run, call `coast` instead of `step`. All state,
    including the next id, belongs to the instance.

    Args:
        settings: See `DeepSortSettings`.

    Example:
        >>> import numpy as np
        >>> deepsort = DeepSort()
        >>> for x in (0, 2, 4):
        ...     detections = Detections.create([[x, 0, x + 10, 20]], [0.9])
        ...     tracks = deepsort.step(detections)
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
    def lag_frames(self) -> int:
        """Frames by which the pipeline delays results, see `DeepSortSettings.lag_frames`."""
        return self._settings.lag_frames

    @property
    def track_count(self) -> int:
        """Number of tracks, including those that are not reported."""
        return len(self._table)

    @property
    def gallery_nbytes(self) -> int:
        """Memory of the embedding galleries in bytes; bounded by the number of tracks at a time."""
        return self._gallery.nbytes

    @property
    def model_weights(self) -> Float64Array:
        """`(4, G)` weights of the motion models, by coordinate of cxcyah; see `motion_bank.py`."""
        return self._learnt.bank.weights

    def reset(self, *, frame_interval_s: float, frame_size: tuple[int, int] | None = None) -> None:
        """Deletes all tracks and restarts ids at 1.

        Args:
            frame_interval_s: Nominal seconds between two frames, the unit of `dt`.
            frame_size: Width and height of the frames in pixels; `None` where unknown: then no
                track is deleted for being outside.

        Raises:
            DataError: The interval is not above 0.
        """
        if not 0 < frame_interval_s < np.inf:
            raise DataError(f"frame_interval_s: expected seconds above 0, got {frame_interval_s}")
        settings = self._settings
        self._frame_interval_s = frame_interval_s
        self._frame_size = frame_size
        self._max_age = (
            settings.max_age_s / frame_interval_s
            if settings.max_age_frames is None
            else settings.max_age_frames
        )
        self._learnt = Learnt(settings, frame_interval_s=frame_interval_s, frame_size=frame_size)
        self._table = TrackTable(self._learnt.bank.model_count)
        self._gallery = AppearanceGallery(settings.gallery_size)
        self._embedding_size: int | None = None
        self._reported: IndexArray = np.zeros(0, np.intp)

    def step(
        self, detections: Detections, *, dt: float = 1.0, camera: CameraMotion | None = None
    ) -> Tracks:
        """Returns the tracks of the next frame.

        Args:
            detections: Detections of the frame.
            dt: Nominal frame intervals since the last step or coast, > 0.
            camera: Camera motion since then; `None` where not estimated.

        Raises:
            DataError: `dt` is not above 0, or the size of the embeddings changed.
        """
        _check_dt(dt)
        self._check_embeddings(detections)
        self._delete_tracks_after_long_step(dt)
        table = self._table
        table.advance(dt, self._counted_intervals(dt))
        learnt = self._learnt
        learnt.predict(table, dt, camera)
        measurements = xyxy_to_cxcyah(detections.boxes)
        regular, low = self._split_by_score(detections, measurements)
        variance = learnt.innovation_variance(table)
        if self._settings.box_motion and learnt.follow_camera(
            table, measurements[regular], variance
        ):
            variance = learnt.innovation_variance(table)
        odds = log_odds(detections.scores.astype(np.float64))
        scene = make_scene(
            table,
            self._gallery,
            self._settings,
            detections,
            measurements,
            variance=variance,
            score_cost=learnt.score_cost(detections, odds),
        )
        matches = associate(scene, regular, low)
        learnt.learn(table, matches, scene, odds)
        learnt.update(table, matches, scene, dt)
        embeddings = self._trusted_embeddings(scene, regular)
        self._record(matches, detections, embeddings)
        self._delete_lost_tracks()
        free = unmatched(regular, matches.columns)
        self._give_birth(scene, scene.starters(free), embeddings)
        self._confirm()
        return self._report(table.confirmed)

    def coast(self, *, dt: float = 1.0, camera: CameraMotion | None = None) -> Tracks:
        """Returns the predicted tracks of a frame on which the detector did not run.

        A track that was matched in the last frame with detection stays tentative or confirmed, and
        no missed detection is counted: it is reported with its predicted box and no detection,
        unless its centre is predicted outside the image (`end_outside`). A lost track is
        deleted at the same age as if detections had been missed.

        Args:
            dt: Nominal frame intervals since the last step or coast, > 0.
            camera: Camera motion since then; `None` where not estimated.

        Raises:
            DataError: `dt` is not above 0.

        Example:
            >>> deepsort = DeepSort()
            >>> for x in (0, 2, 4):
            ...     tracks = deepsort.step(Detections.create([[x, 0, x + 10, 20]], [0.9]))
            >>> tracks = deepsort.coast()
            >>> tracks.ids.tolist(), tracks.misses.tolist(), tracks.detection_index.tolist()
            ([1], [0], [-1])
        """
        _check_dt(dt)
        self._delete_tracks_after_long_step(dt)
        self._table.coast(dt, self._counted_intervals(dt))
        self._learnt.predict(self._table, dt, camera)
        self._delete_lost_tracks()
        # Not deleted: the object may have turned back. Only a missed detection deletes the track.
        return self._report(self._table.confirmed & ~self._outside_image())

    def unreported(self) -> Tracks:
        """Returns the tracks alive that the last `step` or `coast` did not return.

        They are tentative, lost, of a low mean score, or coasting outside the image; their boxes
        are the filter's estimates as in `step`.

        Example:
            >>> deepsort = DeepSort()
            >>> tracks = deepsort.step(Detections.create([[0, 0, 10, 20]], [0.9]))
            >>> len(tracks), deepsort.unreported().ids.tolist()
            (0, [-1])
        """
        others = np.ones(len(self._table), np.bool_)
        others[self._reported] = False
        rows = self._table.ids.argsort()
        return self._tracks(rows[others[rows]], with_tentative=True)

    def _counted_intervals(self, dt: float) -> float:
        """Returns the frame intervals that a step of `dt` counts towards the maximum age."""
        return min(dt, max(self._max_age / _MIN_LOST_STEPS, 1.0))

    def _delete_tracks_after_long_step(self, dt: float) -> None:
        """Deletes all tracks after a step that is too long for a prediction."""
        if dt > _MAX_STEP_AGES * max(self._max_age, 1.0):
            self._delete_tracks(np.ones(len(self._table), np.bool_))

    def _check_embeddings(self, detections: Detections) -> None:
        if not isinstance(detections, Detections):
            raise DataError(
                f"step: expected Detections, got {type(detections).__name__}; "
                "Detections.create(boxes, scores) makes them"
            )
        if not len(detections):
            return
        size = detections.embeddings.shape[1]
        if self._embedding_size not in (None, size):
            raise DataError(
                f"Detections.embeddings: expected {self._embedding_size} values each as before, "
                f"got {size}; call reset() before another embedder is used"
            )
        self._embedding_size = size

    def _split_by_score(
        self, detections: Detections, measurements: Float64Array
    ) -> tuple[IndexArray, IndexArray]:
        """Returns the indices of the detections of regular score and of those of low score.

        Duplicates, and boxes that are too low or too wide, are in neither.
        """
        settings = self._settings
        if settings.duplicate_iou is None:
            kept = np.arange(len(detections))
        else:
            kept = without_duplicates(detections, iou=settings.duplicate_iou).nonzero()[0]
        if not (settings.min_height_px or settings.max_aspect or settings.low_score):
            return kept, _NO_INDICES
        tall = measurements[kept, 3] >= settings.min_height_px
        narrow = measurements[kept, 2] <= (settings.max_aspect or np.inf)
        least = 0 if settings.is_joint else settings.low_score or 0  # a score is a cost there
        low = detections.scores[kept] < least
        return kept[tall & narrow & ~low], kept[tall & narrow & low]

    def _trusted_embeddings(self, scene: Scene, columns: IndexArray) -> Float32Array:
        """Returns `(N, D)` the embeddings to store, zeros for a box that two objects share.

        Args:
            scene: The detections.
            columns: Those that are regular. A duplicate, or a score that starts no track, is no
                second object.
        """
        embeddings, limit = scene.detections.embeddings, self._settings.max_covered
        if limit >= 1 or not embeddings.shape[1]:
            return embeddings
        boxes = scene.detections.boxes
        shared = covered_by_nearer(boxes, boxes[scene.starters(columns)], limit=limit)
        if not np.count_nonzero(shared):
            return embeddings
        return np.where(shared[:, None], np.float32(0), embeddings)

    def _record(self, matches: Matches, detections: Detections, embeddings: Float32Array) -> None:
        rows, columns = matches.rows, matches.columns
        if len(rows):
            self._table.record_matches(rows, detections, columns)
            self._gallery.add(self._table.slots[rows], embeddings[columns])

    def _delete_lost_tracks(self) -> None:
        """Deletes tracks that are lost for good, and learns from them."""
        deleted = self._tracks_to_delete()
        self._learnt.learn_deletion(self._table, deleted)
        self._delete_tracks(deleted)

    def _tracks_to_delete(self) -> BoolArray:
        """Returns a mask `(T,)`, unmatched tracks to delete: tentative, too old or outside."""
        table = self._table
        missed = table.misses > 0
        deleted = missed & ~table.confirmed
        # `misses == 0`: matched in the last frame on which the detector ran.
        deleted |= missed & ((table.lost_intervals > self._max_age) | self._outside_image())
        return deleted

    def _outside_image(self) -> BoolArray:
        """Returns a mask `(T,)`: tracks predicted outside the image, if `end_outside` is set."""
        if not self._settings.end_outside or self._frame_size is None:
            return np.zeros(len(self._table), np.bool_)
        centre = self._table.mean[:, :2]
        return np.asarray(((centre < 0) | (centre > self._frame_size)).any(axis=1))

    def _delete_tracks(self, deleted: BoolArray) -> None:
        if np.count_nonzero(deleted):
            self._gallery.clear(self._table.delete(deleted))

    def _give_birth(self, scene: Scene, columns: IndexArray, embeddings: Float32Array) -> None:
        if len(columns):
            state = self._learnt.bank.initiate(scene.measurements[columns])
            slots = self._table.give_birth(state, scene.detections, columns)
            self._gallery.add(slots, embeddings[columns])

    def _confirm(self) -> None:
        table, settings = self._table, self._settings
        ready = ~table.confirmed & (table.hits >= settings.confirm_hits)
        if settings.min_mean_score:
            ready &= table.mean_scores >= settings.min_mean_score
        if not np.count_nonzero(ready):
            return
        rows = ready.nonzero()[0]
        if settings.resume_distance:
            pairs = resumed(table, self._gallery, rows, settings)
            merged = np.zeros(len(table), np.bool_)
            for lost, new in zip(pairs.rows.tolist(), pairs.columns.tolist(), strict=True):
                table.resume(lost, new)
                self._gallery.move(int(table.slots[new]), int(table.slots[lost]))
                merged[new] = True
            rows = rows[~merged[rows]]
            table.confirm(rows)
            self._delete_tracks(merged)
        else:
            table.confirm(rows)

    def _report(self, reportable: BoolArray) -> Tracks:
        """Returns all tracks, or a subset of `reportable` `(T,)`, as `settings.report` asks."""
        table, settings = self._table, self._settings
        rows = table.ids.argsort()
        if settings.report is not Report.ALL:
            shown = reportable
            if settings.min_mean_score is None:
                shown &= self._learnt.is_score_usual(table)
            elif settings.min_mean_score:
                shown &= table.mean_scores >= settings.min_mean_score
            if settings.report is Report.SEEN:
                shown &= table.misses == 0
            elif settings.report is Report.LIKELY:
                there = self._learnt.is_likely_there(table) & ~self._outside_image()
                shown &= (table.misses == 0) | there
            rows = rows[shown[rows]]
        self._reported = rows
        return self._tracks(rows, with_tentative=settings.report is Report.ALL)

    def _tracks(self, rows: IndexArray, *, with_tentative: bool) -> Tracks:
        """Returns the tracks of rows of the table, some of which may be tentative."""
        table = self._table
        mean, counts = table.mean[rows], table.counts(rows)
        states = np.where(counts.misses == 0, _CONFIRMED, _LOST)
        if with_tentative:
            states[counts.ids < 0] = TrackState.TENTATIVE
        classes, class_scores = table.winners(rows)
        return Tracks.of_own(
            ids=counts.ids,
            boxes=cxcyah_to_xyxy(mean).astype(np.float32),
            velocities=(mean[:, 4:6] / self._frame_interval_s).astype(np.float32),
            scores=table.scores[rows].astype(np.float32),
            classes=classes,
            class_scores=class_scores.astype(np.float32),
            states=states,
            ages=counts.ages,
            misses=counts.misses,
            detection_index=counts.detection_index,
        )


def _check_dt(dt: float) -> None:
    if not 0 < dt < np.inf:
        raise DataError(f"dt: expected frame intervals above 0, got {dt}")


_NO_INDICES: IndexArray = np.zeros(0, np.intp)
_CONFIRMED, _LOST = np.uint8(TrackState.CONFIRMED), np.uint8(TrackState.LOST)
