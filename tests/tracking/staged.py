"""Settings of the paper's stages with their additions, for the tests of those."""

from typing import Any

from tracker.tracking.settings import Association, DeepSortSettings, Report

STAGES: dict[str, Any] = {
    "association": Association.STAGES,
    "adapt_noise": False,
    "box_motion": False,
    "report": Report.SEEN,
    "confirm_hits": 3,
    "max_age_frames": 30,
    "birth_score": 0,
    "min_mean_score": 0,
}


def staged(**changes: Any) -> DeepSortSettings:
    """Returns settings with constant noise and limits, and the changes."""
    given = dict(STAGES)
    if "max_age_s" in changes:
        given["max_age_frames"] = None
    return DeepSortSettings(**{**given, **changes})
