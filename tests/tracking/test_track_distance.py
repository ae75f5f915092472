"""A user-defined distance in place of the IoU."""

from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from tests.tracking.staged import staged
from tracker.boxes import pairwise_iou
from tracker.config.run import Config, config_from, load_config, overlay
from tracker.detections import Detections
from tracker.errors import ConfigError, DataError
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.settings import DeepSortSettings
from tracker.tracks import Tracks

WALKERS = 12


def iou_distance(tracks: np.ndarray, detections: np.ndarray) -> np.ndarray:
    return 1 - pairwise_iou(tracks, detections)


def centre_distance(tracks: np.ndarray, detections: np.ndarray) -> np.ndarray:
    """Distances of the centres in hundreds of pixels."""
    centres = [(boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (tracks, detections)]
    difference: np.ndarray = centres[0][:, None] - centres[1][None]
    return np.hypot(difference[..., 0], difference[..., 1]) / 100


def crowd(seed: int, frames: int = 40) -> list[Detections]:
    """People crossing each other, with occasional missed detections."""
    rng = np.random.default_rng(seed)
    place, speed = rng.uniform(0, 200, (WALKERS, 2)), rng.normal(0, 4, (WALKERS, 2))
    size = rng.uniform(20, 60, (WALKERS, 2))
    found = []
    for _ in range(frames):
        place += speed + rng.normal(0, 1, place.shape)
        seen = rng.random(WALKERS) < 0.85
        boxes = np.hstack([place, place + size])[seen]
        found.append(Detections.create(boxes, rng.uniform(0.1, 1, len(boxes))))
    return found


def tracks_of(found: list[Detections], options: DeepSortSettings) -> list[Tracks]:
    deepsort = DeepSort(options)
    return [deepsort.step(detections) for detections in found]


@settings(max_examples=15)
@given(st.integers(0, 1000), st.sampled_from([None, 0.5]), st.sampled_from([0.0, 0.3, 0.5]))
def test_one_minus_the_iou_gives_what_iou_gives(
    seed: int, low_score: float | None, min_iou: float
) -> None:
    found = crowd(seed)
    usual = staged(low_score=low_score, min_iou=min_iou)
    own = staged(low_score=low_score, min_iou=min_iou, track_distance=iou_distance)
    for expected, got in zip(tracks_of(found, usual), tracks_of(found, own), strict=True):
        assert got.ids.tolist() == expected.ids.tolist()
        assert got.boxes.tolist() == expected.boxes.tolist()
        assert got.detection_index.tolist() == expected.detection_index.tolist()


@given(hnp.arrays(np.float64, (3, 2), elements=st.floats(0, 50)))
def test_with_embeddings_only_the_iou_stage_uses_the_distance(places: np.ndarray) -> None:
    boxes = np.hstack([places, places + 20])
    found = [Detections.create(boxes, [0.9, 0.8, 0.7], None, np.eye(3))] * 4
    own = tracks_of(found, staged(track_distance=iou_distance))
    usual = tracks_of(found, staged())
    assert [t.ids.tolist() for t in own] == [t.ids.tolist() for t in usual]


def test_a_distance_may_match_boxes_without_overlap() -> None:
    # A box of 10 x 10 that jumps by 30 px in each frame never overlaps the one before.
    found = [Detections.create([[30 * i, 0, 30 * i + 10, 10]], [0.9]) for i in range(6)]
    options = {"refind_reach": 0.0}
    assert all(len(t) == 0 for t in tracks_of(found, staged(**options)))
    own = tracks_of(found, staged(track_distance=centre_distance, **options))
    assert own[-1].ids.tolist() == [1]


def test_distances_beyond_the_limit_are_not_matched() -> None:
    # At most 1 - 0.3: 70 px. The second frame is 75 px away, the third 65.
    settings = staged(track_distance=centre_distance, confirm_hits=2, refind_reach=0.0)
    for jump, ids in ((75, []), (65, [1])):
        found = [Detections.create([[jump * i, 0, jump * i + 9, 9]], [0.9]) for i in range(2)]
        assert tracks_of(found, settings)[-1].ids.tolist() == ids


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, r"expected distances \(T, N\) = \(1, 2\), got"),
        (np.zeros((2, 1)), r"expected distances \(T, N\) = \(1, 2\), got shape \(2, 1\)"),
        ([[0.1, np.nan]], "got NaN"),
        ([["near", "far"]], "could not convert string"),
    ],
)
def test_an_error_about_the_result_names_the_function(answer: Any, message: str) -> None:
    def nearness(tracks: np.ndarray, detections: np.ndarray) -> Any:
        return answer

    deepsort = DeepSort(staged(track_distance=nearness))
    deepsort.step(Detections.create([[0, 0, 9, 9]], [0.9]))
    with pytest.raises(DataError, match=f"tracking.track_distance function nearness: .*{message}"):
        deepsort.step(Detections.create([[0, 0, 9, 9], [20, 0, 29, 9]], [0.9, 0.8]))


def test_a_name_other_than_iou_is_refused() -> None:
    message = "tracking.track_distance: expected 'iou', or a function in Python, got 'giou'"
    with pytest.raises(ConfigError, match=message):
        load_config(overrides=["tracking.track_distance=giou"])
    assert load_config(overrides=["tracking.track_distance=iou"]) == Config()


def test_results_record_a_function_by_its_name_and_nothing_else() -> None:
    config = Config(tracking=staged(track_distance=iou_distance))
    assert config.to_json()["tracking"]["track_distance"] == "function iou_distance"
    assert overlay(config, {"seed": 7}).tracking.track_distance is iou_distance
    plain = Config().to_json()
    assert "track_distance" not in plain["tracking"]
    assert config_from(plain) == Config()
