"""The settings of DeepSORT: the paper's parameters, and switches for the extensions.

Each extension can be turned off; `configs/paper.yaml` turns off all of them, and `docs/tracking.md`
has the measured effect of each.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from enum import StrEnum

from tracker.errors import ConfigError
from tracker.tracking import kalman
from tracker.tracking.ranges import LARGEST, Bounds, check_ranges
from tracker.util.arrays import Float64Array
from tracker.util.check_types import check_types


class Report(StrEnum):
    """Which tracks `DeepSort.step` returns."""

    LIKELY = "likely"
    """Those of `seen`, and predictions of lost tracks for as long as most of them have turned out
    right so far, see `bridge_share`."""
    SEEN = "seen"
    """Confirmed and matched in this frame; while coasting, in the last frame on which the detector
    ran."""
    CONFIRMED = "confirmed"
    """Confirmed, including tracks that are only predicted in this frame."""
    ALL = "all"
    """Every track, tentative ones (with negative provisional ids) included."""


class ClassPolicy(StrEnum):
    """Which classes may meet in one track."""

    ANY = "any"
    """Any: a car that is classified as a truck in some frames keeps its id; the class is voted."""
    SAME = "same"
    """Only a detection of the track's voted class."""


class Association(StrEnum):
    """How detections are assigned to tracks."""

    JOINT = "joint"
    """All at once, by motion, overlap, score and appearance together (`joint_stage.py`)."""
    STAGES = "stages"
    """The paper's stages, with additions (`matching_stages.py`)."""


class AppearanceOrder(StrEnum):
    """In which order confirmed tracks are matched where detections have embeddings."""

    AT_ONCE = "at once"
    """All in one assignment: appearance tells tracks apart better than the time since the last
    match."""
    CASCADE = "cascade"
    """The paper's cascade: the most recently matched tracks go first (listing 1)."""


class MotionCost(StrEnum):
    """The cost of the cascade where detections have no embeddings."""

    OVERLAP = "overlap"
    """One minus the IoU of detection and predicted box, of at least `min_iou`."""
    MAHALANOBIS = "mahalanobis"
    """The squared Mahalanobis distance within the gate (eq. 1 and 2)."""


TrackDistance = Callable[[Float64Array, Float64Array], Float64Array]
"""From predicted boxes of tracks `(T, 4)` and boxes of detections `(N, 4)`, both float64 xyxy in
pixels, to their distances `(T, N)`."""

IOU_DISTANCE = "iou"
"""The distance of one minus the IoU."""


@dataclass(frozen=True, slots=True)
class DeepSortSettings:
    """Settings of `DeepSort`; `configs/paper.yaml` has those of the paper.

    Attributes:
        association: How detections are assigned to tracks. `appearance_weight` belongs to `joint`;
            `appearance_order`, `motion_weight`, `motion_gate`, `min_iou`, `motion_cost`,
            `overlap_appearance_distance`, `refind_*` and `low_*` belong to `stages`, and so does a
            function as `track_distance`, which implies them.
        adapt_noise: Whether process and measurement noise follow what the scene shows
            (`motion_bank.py`); otherwise they are as in `noise`.
        box_motion: Whether a motion that all boxes share is taken for the camera's
            (`box_motion.py`).
        bridge_share: With `report: likely`, predictions of a lost track are reported while they are
            right with at least this probability: the share of those that were right so far after
            as many missed detections, times how likely the track is one of an object.
        lag_frames: Frames by which results are late. Gaps in a track that end within them are
            interpolated, in place of predictions, and boxes are smoothed (`offline/fixed_lag.py`);
            the pipeline does it, and keeps as many frames in memory. 0 = none, for live use.
        confirm_hits: Detections in a row that confirm a track (sec. 2.1: three).
        max_age_s: Seconds without a detection after which a confirmed track is deleted. One step
            counts for a third of them at most, so that after a longer interruption of the source
            there are still frames to match lost tracks in; a step of ten times as long deletes all
            tracks.
        max_age_frames: The same in nominal frame intervals (`A_max` = 30), in place of `max_age_s`;
            `None` to count seconds.
        gallery_size: Embeddings kept for each track (`L_k` = 100).
        max_covered: An embedding is not stored where the box of a nearer object covers more than
            this share of its box: the crop shows that object. 1 = all are stored.
        appearance_order: In which order tracks are matched where there are embeddings.
        max_appearance_distance: Largest admissible cosine distance `t2` (eq. 4); it depends on
            the network, 0.4 to 0.5 suited those that were measured.
        appearance_weight: With `joint`, the cost of a cosine distance of 1; a distance of
            `max_appearance_distance` costs nothing, smaller ones lower the cost of a pair.
        motion_weight: `lambda` of eq. 5: 0 = cost by appearance alone, motion only gates.
        motion_gate: Largest admissible squared Mahalanobis distance `t1` (eq. 2).
        min_iou: Smallest overlap that the IoU stage accepts.
        track_distance: The distance of the IoU stage, and of the stages that use overlap for lack
            of embeddings and for low scores: `iou` for one minus the IoU, or a `TrackDistance`,
            whose distances are admissible below 1 and up to one minus the stage's smallest overlap;
            their sum is minimised.
        overlap_appearance_distance: Largest cosine distance that the IoU stage accepts; `None` to
            compare overlap alone, as in the paper.
        motion_cost: The cost of the cascade where there are no embeddings.
        refind_reach: Where there are no embeddings, a lost track may be matched to a detection that
            is left unmatched up to this many object heights away; 0 = never.
        refind_growth: Added to the reach for each nominal frame interval since the last match.
        refind_max_reach: Limit of the reach.
        refind_size_ratio: Largest ratio of heights for such a match, >= 1.
        resume_distance: A track about to be confirmed takes over the id of a lost track whose
            appearance is within this cosine distance; 0 = never.
        resume_reach: Largest distance for that, in object heights, from the last matched or the
            predicted position of the lost track.
        low_score: Detections below this score are only matched to tracks without a missed
            detection, after all other stages (ByteTrack, arXiv 2110.06864); `None` treats all
            scores alike.
        low_min_iou: Smallest overlap in that stage.
        score_noise: Share by which a detection's score lowers the noise of its measurement (NSA
            Kalman, GIAOTracker, arXiv 2202.11983): variance * (1 - score_noise * score).
        min_height_px: Detections lower than this are ignored.
        max_aspect: Detections with a larger ratio of width to height are ignored; `None` for no
            limit.
        duplicate_iou: A detection is ignored where one of another class with a higher score
            overlaps it by more than this: one object detected in two classes. `None` keeps both.
        end_outside: Whether a lost track is deleted once it is predicted outside the frame, and
            is not reported while coasting there; needs the `frame_size` given to `DeepSort.reset`.
        birth_score: Detections below this score continue tracks but do not start one; `None` to
            learn it from the scores so far, per class (`score_scale.py`).
        min_mean_score: Tracks whose moving average of scores is lower are neither confirmed nor
            reported; `None` to learn it likewise: such tracks are confirmed, and not reported.
        classes: Which classes may meet in one track.
        report: Which tracks `step` returns.
        noise: The motion model.
    """

    association: Association = Association.JOINT
    adapt_noise: bool = True
    box_motion: bool = True
    bridge_share: float = 0.3
    lag_frames: int = 0
    confirm_hits: int = 2
    max_age_s: float = 2.0
    max_age_frames: float | None = None
    gallery_size: int = 100
    max_covered: float = 0.5
    appearance_order: AppearanceOrder = AppearanceOrder.AT_ONCE
    max_appearance_distance: float = 0.5
    appearance_weight: float = 10.0
    motion_weight: float = 0.0
    motion_gate: float = kalman.GATE_95
    min_iou: float = 0.3
    track_distance: str | TrackDistance = IOU_DISTANCE
    overlap_appearance_distance: float | None = 0.7
    motion_cost: MotionCost = MotionCost.OVERLAP
    refind_reach: float = 0.3
    refind_growth: float = 0.02
    refind_max_reach: float = 0.8
    refind_size_ratio: float = 1.4
    resume_distance: float = 0.4
    resume_reach: float = 2.0
    low_score: float | None = None
    low_min_iou: float = 0.5
    score_noise: float = 0.0
    min_height_px: float = 0.0
    max_aspect: float | None = None
    duplicate_iou: float | None = 0.9
    end_outside: bool = True
    birth_score: float | None = None
    min_mean_score: float | None = None
    classes: ClassPolicy = ClassPolicy.ANY
    report: Report = Report.LIKELY
    noise: kalman.MotionNoise = field(default_factory=kalman.MotionNoise)

    def __post_init__(self) -> None:
        check_ranges(self, _RANGES, prefix="tracking.")
        if not callable(self.track_distance) and self.track_distance != IOU_DISTANCE:
            raise ConfigError(
                f"tracking.track_distance: expected {IOU_DISTANCE!r}, or a function in Python, got "
                f"{self.track_distance!r}"
            )
        check_types(self)  # switches, and other fields without a range
        if self.is_joint:
            self._check_no_stage_settings()

    def _check_no_stage_settings(self) -> None:
        """Refuses settings that would change nothing."""
        for item in fields(self):
            if item.name in _STAGES_ONLY and getattr(self, item.name) != item.default:
                raise ConfigError(
                    f"tracking.{item.name}: belongs to tracking.association: stages, got "
                    f"{getattr(self, item.name)!r} with joint; set tracking.association=stages too"
                )

    @property
    def is_joint(self) -> bool:
        """Whether all tracks are assigned at once; a function as distance needs the stages."""
        return self.association is Association.JOINT and not callable(self.track_distance)


_STAGES_ONLY = frozenset(
    (
        "appearance_order",
        "motion_weight",
        "motion_gate",
        "min_iou",
        "overlap_appearance_distance",
        "motion_cost",
        "refind_reach",
        "refind_growth",
        "refind_max_reach",
        "refind_size_ratio",
        "low_score",
        "low_min_iou",
    )
)
"""Settings of the paper's stages and their additions."""

_RANGES: dict[str, Bounds] = {
    "bridge_share": (0, 2),
    "lag_frames": (0, 1000),
    "appearance_weight": (0, LARGEST),
    "confirm_hits": (1, LARGEST),
    "max_age_frames": (0, LARGEST),
    "max_age_s": (0, LARGEST),
    "gallery_size": (1, 10_000),
    "max_covered": (0, 1),
    "max_appearance_distance": (0, 2),
    "motion_weight": (0, 1),
    "motion_gate": (0, LARGEST),
    "min_iou": (0, 1),
    "refind_reach": (0, LARGEST),
    "refind_growth": (0, LARGEST),
    "refind_max_reach": (0, LARGEST),
    "refind_size_ratio": (1, LARGEST),
    "overlap_appearance_distance": (0, 2),
    "resume_distance": (0, 2),
    "resume_reach": (0, LARGEST),
    "low_score": (0, 1),
    "low_min_iou": (0, 1),
    "score_noise": (0, 0.99),
    "min_height_px": (0, LARGEST),
    "duplicate_iou": (0.5, 1),
    "max_aspect": (1e-3, LARGEST),
    "birth_score": (0, 1),
    "min_mean_score": (0, 1),
}
