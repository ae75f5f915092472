from dataclasses import replace

import numpy as np
import pytest

from tests.sinks.results import CONFIRMED, make_result, make_run, make_tracks
from tracker.detections import Detections
from tracker.masks import decode_mask, encode_mask
from tracker.sinks.scaled import scaled_result, scaled_size


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [
        ((1080, 1920), 0.5, (540, 960)),
        ((1080, 1920), 1 / 3, (360, 640)),
        ((47, 63), 1, (47, 63)),
        ((47, 63), 0.5, (24, 32)),
        ((4, 4), 0.01, (2, 2)),
    ],
)
def test_sizes_are_even(size, scale, expected):
    assert scaled_size(size, scale) == expected


def test_boxes_velocities_and_masks_follow_the_image():
    run = make_run(width=64, height=48)
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, 32:] = 200
    mask = np.zeros((48, 64), np.bool_)
    mask[24:, :32] = True
    result = make_result(0, make_tracks((1, (8, 12, 40, 36), CONFIRMED)), run=run, image=image)
    detections = Detections.create([[8, 12, 40, 36]], [0.9], masks=[encode_mask(mask)])
    result = replace(result, detections=detections)
    half = scaled_result(result, 0.5)
    np.testing.assert_array_equal(half.frame.image, image[::2, ::2])
    assert half.tracks.boxes.tolist() == [[4, 6, 20, 18]]
    assert half.detections.boxes.tolist() == [[4, 6, 20, 18]]
    np.testing.assert_allclose(half.tracks.velocities, result.tracks.velocities / 2)
    np.testing.assert_array_equal(decode_mask(half.detections.masks[0]), mask[::2, ::2])
    assert scaled_result(result, 1) is result
