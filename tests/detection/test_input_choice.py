"""The input size of built-in networks by the frame size."""

import pytest

from tracker.detection.input_choice import LONG_SIDES, MOST_PIXELS, automatic_long_side


@pytest.mark.parametrize(
    ("frame", "long_side"),
    [
        ((1, 1), 416),
        ((360, 480), 416),
        ((432, 768), 416),
        ((768, 432), 416),
        ((432, 769), 512),
        ((720, 1280), 512),
        ((720, 1281), 640),
        ((1080, 1920), 640),
        ((1920, 1080), 640),
        ((1200, 1600), 640),  # 640x480 is just allowed
        ((1201, 1600), 512),
        ((4000, 4000), 512),
        ((1, 100_000), 640),
    ],
)
def test_the_long_side_follows_the_frames(frame: tuple[int, int], long_side: int) -> None:
    assert automatic_long_side(frame) == long_side


def test_the_largest_input_costs_a_bounded_time() -> None:
    for width in range(100, 5000, 100):
        for height in range(100, 5000, 100):
            side = automatic_long_side((height, width))
            assert side in LONG_SIDES
            assert side**2 * min(width, height) / max(width, height) <= MOST_PIXELS
