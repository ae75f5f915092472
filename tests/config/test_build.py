"""Stages as the configuration asks for them."""

import pytest

from tracker.config.build import build_pipeline
from tracker.config.run import load_config
from tracker.testing import ScriptedDetector
from tracker.tracking.camera_motion import CameraMotionEstimator
from tracker.tracking.camera_watch import CameraWatch


@pytest.mark.parametrize(
    ("motion", "boxes"), [("auto", True), ("off", False), ("flow", True)], ids=str
)
def test_a_camera_that_stands_still_is_not_followed(motion: str, *, boxes: bool) -> None:
    config = load_config(overrides=[f"camera_motion={motion}", "embedder.name=none"])
    pipeline = build_pipeline(config, detector=ScriptedDetector([]))
    assert pipeline._tracker.settings.box_motion is boxes
    observer = {"auto": CameraWatch, "off": type(None), "flow": CameraMotionEstimator}[motion]
    assert type(pipeline._camera_motion) is observer
