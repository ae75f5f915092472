"""The settings of DeepSORT: the paper's numbers, and switches for what goes beyond the paper.

Each addition can be turned off; `configs/paper.yaml` does so for all, and `docs/tracking.md` has
the effect of each.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from tracker.errors import ConfigError
from tracker.tracking import kalman
from tracker.tracking.ranges import LARGEST, Bounds, check_ranges
from tracker.util.arrays import Float64Array
from tracker.util.check_types import check_types


class Report(StrEnum):
    """Which tracks `DeepSort.step` returns."""

    SEEN = "seen"
    """Confirmed, and seen in this frame; while coasting, in the last one that was looked at."""
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


class AppearanceOrder(StrEnum):
    """In which order confirmed tracks are matched where detections have embeddings."""

    AT_ONCE = "at once"
    """All in one assignment: looks tell who is who better than how long a track was hidden."""
    CASCADE = "cascade"
    """The paper's cascade: tracks that were seen last go first (listing 1)."""


class MotionCost(StrEnum):
    """What the cascade compares where detections have no embeddings."""

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
        confirm_hits: Detections in a row that confirm a track (sec. 2.1: three).
        max_age_frames: Nominal frame intervals without a detection after which a confirmed track
            ends (`A_max` = 30). One step counts for a third of them at most, so that a source that
            was away for longer leaves some looks; a step of ten times as many ends all tracks.
        max_age_s: The same in seconds, in place of `max_age_frames`; `None` to count frames.
        gallery_size: Embeddings kept for each track (`L_k` = 100).
        appearance_order: In which order tracks are matched where there are embeddings.
        max_appearance_distance: Largest admissible cosine distance `t2` (eq. 4); it depends on
            the network, 0.4 to 0.5 suited those that were measured.
        motion_weight: `lambda` of eq. 5: 0 = cost by appearance alone, motion only gates.
        motion_gate: Largest admissible squared Mahalanobis distance `t1` (eq. 2).
        min_iou: Smallest overlap that the IoU stage accepts.
        track_distance: What the IoU stage compares, and so do the stages that take overlap for
            want of embeddings and for low scores: `iou` for one minus the IoU, or a
            `TrackDistance`, of which distances below 1 and up to one minus the stage's smallest
            overlap are accepted, and the least sum is sought.
        overlap_appearance_distance: Largest cosine distance that the IoU stage accepts; `None` to
            compare overlap alone, as in the paper.
        motion_cost: What the cascade compares where there are no embeddings.
        refind_reach: Where there are no embeddings, a lost track takes a detection that nothing
            else claimed from up to this many object heights away; 0 = never.
        refind_growth: Added to the reach for each nominal frame interval that the track was not
            seen.
        refind_max_reach: Limit of the reach.
        refind_size_ratio: Largest ratio of heights for that, >= 1.
        resume_distance: A track about to be confirmed takes up the id of a lost track that looked
            alike to within this cosine distance; 0 = never.
        resume_reach: Largest distance for that, in object heights, from where the lost track was
            seen last or is predicted.
        low_score: Detections below this score only continue tracks that were seen at the last
            look, after all others had their turn (ByteTrack, arXiv 2110.06864); `None` for no
            such difference.
        low_min_iou: Smallest overlap for that.
        score_noise: Share by which a detection's score lowers the noise of its measurement (NSA
            Kalman, GIAOTracker, arXiv 2202.11983): variance * (1 - score_noise * score).
        min_height_px: Detections lower than this are left out.
        max_aspect: Detections wider than this, in heights, are left out; `None` for no limit.
        duplicate_iou: A detection is left out where one of another class with a higher score
            overlaps it by more than this: one object found in two classes. `None` keeps both.
        end_outside: Whether a track ends that is lost and predicted to be outside the picture,
            and is not reported while coasting there;
            where `DeepSort.reset` was told the size of the picture.
        birth_score: Detections below this score continue tracks but do not start one; `None` for
            what suits the detector (0 for `DeepSort` on its own).
        min_mean_score: Tracks whose detections lately scored less on average are neither confirmed
            nor reported; `None` for what suits the detector (0 for `DeepSort` on its own).
        classes: Which classes may meet in one track.
        report: Which tracks `step` returns.
        noise: The motion model.
    """

    confirm_hits: int = 3
    max_age_frames: float = 30
    max_age_s: float | None = None
    gallery_size: int = 100
    appearance_order: AppearanceOrder = AppearanceOrder.AT_ONCE
    max_appearance_distance: float = 0.5
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
    resume_distance: float = 0.5
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
    report: Report = Report.SEEN
    noise: kalman.MotionNoise = field(default_factory=kalman.MotionNoise)

    def __post_init__(self) -> None:
        check_ranges(self, _RANGES, prefix="tracking.")
        if not callable(self.track_distance) and self.track_distance != IOU_DISTANCE:
            raise ConfigError(
                f"tracking.track_distance: expected {IOU_DISTANCE!r}, or a function in Python, got "
                f"{self.track_distance!r}"
            )
        check_types(self)  # switches, and what else has no range


_RANGES: dict[str, Bounds] = {
    "confirm_hits": (1, LARGEST),
    "max_age_frames": (0, LARGEST),
    "max_age_s": (0, LARGEST),
    "gallery_size": (1, 10_000),
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
