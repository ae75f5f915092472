"""Targets of the algorithms: `DeepSort.step`, its reference, suppression, and counts."""

import json
import random
from collections import deque
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.counting import counting_scene, use_counting
from tests.fuzz.engine import Target
from tests.fuzz.reference_deepsort import AmbiguousError, ReferenceDeepSort
from tests.fuzz.reference_nms import nms_scene, use_nms
from tests.fuzz.scenes import scene_bytes
from tracker.config.run import load_config
from tracker.detections import Detections
from tracker.errors import DataError
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.kalman import COVARIANCE, RATE_VARIANCE, VALUE, VARIANCE, full_covariance
from tracker.tracking.settings import (
    Association,
    ClassPolicy,
    DeepSortSettings,
    Report,
)
from tracker.tracks import CameraMotion, Tracks

ROOT = Path(__file__).parents[2]
_LEARNS_NOTHING: dict[str, Any] = {
    **{"report": Report.SEEN, "birth_score": 0.0, "min_mean_score": 0.0, "box_motion": False},
    **{"duplicate_iou": None, "max_covered": 1.0, "end_outside": False, "resume_distance": 0.0},
}
JOINT = DeepSortSettings(**_LEARNS_NOTHING)
"""The default's association and noise, without what it learns of scores, gaps and the camera."""


@cache
def paper() -> DeepSortSettings:
    """Returns the settings of `configs/paper.yaml`."""
    return load_config(ROOT / "configs" / "paper.yaml").tracking


def _all_settings() -> list[DeepSortSettings]:
    return [
        DeepSortSettings(),
        DeepSortSettings(report=Report.ALL, confirm_hits=1, max_age_s=0.5),
        DeepSortSettings(association=Association.STAGES, low_score=0.6, classes=ClassPolicy.SAME),
        DeepSortSettings(score_noise=0.9, gallery_size=2, max_covered=0.0, resume_reach=50.0),
        DeepSortSettings(association=Association.STAGES, motion_weight=0.5, adapt_noise=False),
        paper(),
        JOINT,
    ]


def _detections(rows: list[list[float]]) -> Detections:
    width = max((len(row) for row in rows), default=6) - 6
    table = np.array(rows, np.float64).reshape(-1, 6 + width)
    return Detections.create(table[:, :4], table[:, 4], table[:, 5].astype(np.int64), table[:, 6:])


def _use_scene(data: bytes, folder: Path) -> object:
    scene = json.loads(data)
    every = _all_settings()
    check = _Invariants(DeepSort(every[scene["settings"] % len(every)]))
    check.deepsort.reset(frame_interval_s=scene["interval_s"], frame_size=tuple(scene["size"]))
    refused = 0
    for frame in scene["frames"]:
        refused += not check.frame(frame)
    check.nothing_grows()
    return refused, check.deepsort.track_count.bit_length(), check.most.bit_length()


class _Invariants:
    """A tracker, and what must hold after each frame."""

    def __init__(self, deepsort: DeepSort) -> None:
        self.deepsort = deepsort
        self.alive: set[int] = set()
        self.over: set[int] = set()
        self.most = 0
        self.recent: deque[tuple[float, int]] = deque()

    def frame(self, frame: dict[str, Any]) -> bool:
        """Returns whether the frame was taken; a refused one changes no track."""
        before = self.deepsort._table.ids.tolist()
        try:
            camera = frame["camera"]
            motion = camera and CameraMotion(camera[0], camera[1], (camera[2], camera[3]))
            if frame["coast"]:
                count = 0
                tracks = self.deepsort.coast(dt=frame["dt"], camera=motion)
            else:
                detections = _detections(frame["rows"])
                count = len(detections)
                tracks = self.deepsort.step(detections, dt=frame["dt"], camera=motion)
        except DataError:
            assert self.deepsort._table.ids.tolist() == before
            return False
        self._check_ids(tracks, count)
        self._check_states()
        # Tracks that resume a lost one's id are deleted after others of the frame began.
        self.most = max(self.most, len(before) + count)
        self._check_count(count, frame["dt"], is_step=not frame["coast"])
        return True

    def _check_ids(self, tracks: Tracks, count: int) -> None:
        assert (np.diff(tracks.ids) > 0).all(), "ids are not unique and rising"
        linked = tracks.detection_index[tracks.detection_index >= 0]
        assert len(set(linked.tolist())) == len(linked), "a detection is in two tracks"
        assert (linked < count).all()
        ids = self.deepsort._table.ids.tolist()
        assert len(set(ids)) == len(ids)
        assert set(tracks.ids.tolist()) <= set(ids)
        here = set(ids)
        assert not here & self.over, "the id of a deleted track is used again"
        self.over |= self.alive - here
        self.alive = here
        slots = self.deepsort._table.slots
        assert len(set(slots.tolist())) == len(slots)

    def _check_states(self) -> None:
        table = self.deepsort._table
        state = table.state
        assert np.isfinite(state).all(), "a state is not finite"
        assert (state[VARIANCE] > 0).all(), "a variance is not positive"
        assert (state[RATE_VARIANCE] > 0).all()
        product = state[VARIANCE] * state[RATE_VARIANCE]
        assert (product - state[COVARIANCE] ** 2 > 0).all(), "a covariance is not positive definite"
        assert (state[VALUE, 2:4] > 0).all()
        for model in range(state.shape[2]):
            full = full_covariance(state[:, :, model])
            assert (full == full.transpose(0, 2, 1)).all()
        weights = self.deepsort.model_weights
        np.testing.assert_allclose(weights.sum(axis=1), 1.0)

    def _check_count(self, count: int, dt: float, *, is_step: bool) -> None:
        """Each track had a detection within the maximum age, none of them two.

        While the detector does not run, a track without a missed detection may be older.
        """
        table = self.deepsort._table
        self.recent.append((self.deepsort._counted_intervals(dt), count))
        while (
            is_step
            and sum(step for step, _ in list(self.recent)[1:]) > self.deepsort._max_age + 1e-6
        ):
            self.recent.popleft()
        assert len(table) <= sum(count for _, count in self.recent), (
            "tracks outlive the maximum age"
        )
        assert (table.slots < self.most).all(), "slots are not reused"

    def nothing_grows(self) -> None:
        """All tracks end once nothing is detected, and memory stays what it was."""
        size = self.deepsort.gallery_nbytes
        for _ in range(int(self.deepsort._max_age) + 3):
            self.deepsort.step(Detections.empty())
        assert self.deepsort.track_count == 0
        assert self.deepsort.gallery_nbytes == size


def _use_reference(data: bytes, folder: Path) -> object:
    scene = json.loads(data)
    settings = (paper(), JOINT, replace(JOINT, adapt_noise=False, classes=ClassPolicy.SAME))[
        scene["settings"] % 3
    ]
    if settings is paper():
        settings = replace(settings, max_appearance_distance=0.5)
    deepsort = DeepSort(settings)
    deepsort.reset(frame_interval_s=scene["interval_s"])
    reference = ReferenceDeepSort(settings, scene["interval_s"])
    for number, frame in enumerate(scene["frames"]):
        detections = _detections(frame["rows"])
        tracks = deepsort.step(detections, dt=frame["dt"])
        try:
            rows = reference.step(detections, frame["dt"])
        except AmbiguousError:
            return "ambiguous"
        place = f"frame {number}"
        assert tracks.ids.tolist() == [row.number for row in rows], place
        assert tracks.detection_index.tolist() == [row.detection for row in rows], place
        assert tracks.ages.tolist() == [row.age for row in rows], place
        assert tracks.classes.tolist() == [row.class_id for row in rows], place
        if rows:
            _compare(tracks, rows, place)
        _compare_filters(deepsort, reference, place)
    return len(deepsort._table).bit_length(), reference.next_number.bit_length()


def _compare(tracks: Tracks, rows: list[Any], place: str) -> None:
    height = float(np.max(tracks.boxes[:, 3] - tracks.boxes[:, 1]))
    for name, tolerance in (("box", 1e-4), ("velocity", 1e-2), ("score", 1e-6)):
        found = {"box": tracks.boxes, "velocity": tracks.velocities, "score": tracks.scores}[name]
        expected = [getattr(row, name) for row in rows]
        limit = tolerance * max(height, 1.0)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=limit, err_msg=place)
    shares = [row.class_score for row in rows]
    np.testing.assert_allclose(tracks.class_scores, shares, rtol=1e-5, err_msg=place)


def _compare_filters(deepsort: DeepSort, reference: ReferenceDeepSort, place: str) -> None:
    state = deepsort._table.state
    for model in range(state.shape[2]):
        full = full_covariance(state[:, :, model])
        for row, track in enumerate(reference.tracks):
            expected = track.filters[model].covariance
            limit = 1e-9 * np.abs(expected).max()
            np.testing.assert_allclose(full[row], expected, rtol=1e-6, atol=limit, err_msg=place)
    np.testing.assert_allclose(deepsort.model_weights, reference.weights, rtol=1e-5, atol=1e-9)


def _wild(rng: random.Random, data: bytes) -> bytes:
    return scene_bytes(rng, wild=True)


def _tame(rng: random.Random, data: bytes) -> bytes:
    return scene_bytes(rng, wild=False)


def _first(*, wild: bool) -> Any:
    return lambda: [scene_bytes(random.Random(0), wild=wild)]


TARGETS = (
    Target("deepsort", _first(wild=True), _wild, _use_scene, is_scene=True, longest_cpu_s=60,
           short_executions=25),
    Target("deepsort-reference", _first(wild=False), _tame, _use_reference, is_scene=True,
           longest_cpu_s=120, short_executions=12),
    Target("nms", lambda: [nms_scene(random.Random(0), b"")], nms_scene, use_nms, is_scene=True,
           longest_cpu_s=30, short_executions=300),
    Target("counting", lambda: [counting_scene(random.Random(0), b"")], counting_scene,
           use_counting, is_scene=True, longest_cpu_s=30, short_executions=150),
)  # fmt: skip
"""Algorithms, on scenes."""
