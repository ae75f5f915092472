"""The state of a source's trackers, as `util/plain_state.py` copies and restores it.

For each class the attributes that are no state: they follow from the settings and the source.
"""

from tracker.detections import Detections
from tracker.linking.online import LinkedTrack, Linker, Moment, Person, Sighting
from tracker.masks import Mask
from tracker.pipeline.lag import LateResult
from tracker.pipeline.source_state import SourceTracker
from tracker.tracking.camera_motion import CameraMotionEstimator
from tracker.tracking.camera_watch import CameraWatch
from tracker.tracking.clutter import Clutter
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.gallery import AppearanceGallery
from tracker.tracking.learnt import Learnt
from tracker.tracking.motion_bank import MotionBank
from tracker.tracking.offline.fixed_lag import FixedLag, Sight
from tracker.tracking.offline.nearby import LateFrame
from tracker.tracking.score_scale import RunningMedian, ScoreScale
from tracker.tracking.survival import Survival
from tracker.tracking.track_table import TrackTable
from tracker.tracks import Tracks
from tracker.util.plain_state import Kinds

TRACKING = Kinds(
    parts={
        AppearanceGallery: frozenset({"_size"}),
        CameraMotionEstimator: frozenset(),
        CameraWatch: frozenset(),
        Clutter: frozenset(),
        DeepSort: frozenset({"_settings"}),
        FixedLag: frozenset({"_frames"}),
        Learnt: frozenset({"_settings", "_frame_size", "_learns_scores", "_learns_gaps"}),
        Linker: frozenset({"_settings"}),
        MotionBank: frozenset({"_start_noise", "_noise", "_factors", "_frame_interval_s"}),
        ScoreScale: frozenset(),
        SourceTracker: frozenset({"_run", "_embedder", "_detect_every", "_interval_s"}),
        Survival: frozenset(),
        TrackTable: frozenset(),
    },
    values=(
        *(Detections, LateFrame, LateResult, Mask, RunningMedian, Sight, Tracks),
        *(LinkedTrack, Moment, Person, Sighting),
    ),
)
