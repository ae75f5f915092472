"""Results for the tests of the sinks: small, real and written out."""

from fractions import Fraction

import numpy as np

from tracker.detections import Detections
from tracker.frames import Frame, VideoInfo
from tracker.tracks import RunInfo, TrackedFrame, Tracks, TrackState


def make_run(**changes) -> RunInfo:
    video = {
        "source": "in.mp4",
        "width": 64,
        "height": 48,
        "fps": Fraction(25),
        "time_base": Fraction(1, 25),
    }
    names = changes.pop("class_names", ("person", "Fußgänger, zu Fuß"))
    return RunInfo(VideoInfo(**(video | changes)), names, {"a": {"b": 1}}, {"m.tflite": "0" * 64})


def make_tracks(*rows) -> Tracks:
    """Each row is (id, box, state) or (id, box, state, class)."""
    count = len(rows)
    return Tracks(
        ids=np.array([row[0] for row in rows], np.int64),
        boxes=np.array([row[1] for row in rows], np.float32).reshape(-1, 4),
        velocities=np.full((count, 2), (1.5, -0.001), np.float32),
        scores=np.full(count, 0.87654, np.float32),
        classes=np.array([row[3] if len(row) > 3 else 0 for row in rows], np.int32),
        class_scores=np.ones(count, np.float32),
        states=np.array([row[2] for row in rows], np.uint8),
        ages=np.full(count, 3, np.int32),
        misses=np.zeros(count, np.int32),
        detection_index=np.zeros(count, np.int32),
    )


def make_result(index=0, tracks=None, *, run=None, image=None, time_s=None, **more) -> TrackedFrame:
    run = run or make_run()
    if image is None:
        image = np.zeros((run.video.height, run.video.width, 3), np.uint8)
    time_s = index / 25 if time_s is None else time_s
    frame = Frame(image, index, time_s, run.video.source, more.pop("wall_time_s", None))
    return TrackedFrame(
        frame=frame,
        detections=Detections.empty(),
        tracks=Tracks.empty() if tracks is None else tracks,
        timings_s={"infer": 0.0123456},
        run=run,
        **more,
    )


CONFIRMED, LOST, TENTATIVE = TrackState.CONFIRMED, TrackState.LOST, TrackState.TENTATIVE
