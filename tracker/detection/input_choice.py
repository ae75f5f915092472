"""The input size of the built-in networks, where the user names none.

Input: the size of a frame. Output: the long side of the network's input. The rule looks at the
frame alone, so that equal frames give equal results on all machines.
"""

import bisect

LONG_SIDES = (416, 512, 640)
"""Long sides of the input to choose from, multiples of 32 by rising cost."""

FRAME_SIDES = (768, 1280)
"""Long side of the largest frames for all but the last of `LONG_SIDES`, in pixels: a frame is
reduced by up to 1.85, then 2.5, and by 3 at 1920x1080. On val2017 (`benchmarks/slices.py`, `small`)
people have AP50 74.2, 74.4, 69.1, 64.4 and 59.9 where images are reduced by 1, 1.25, 1.5, 2 and
2.5, which costs 125, 75, 50, 29 and 21 ms of processor time: up to 768 pixels, speed was preferred.
"""

MOST_PIXELS = 640 * 480
"""Largest area of the input with the frame's aspect, which bounds the time of a frame; networks
that stretch frames to fill their input take up to 4/3 of it."""


def automatic_long_side(frame_size: tuple[int, int]) -> int:
    """Returns the long side in pixels of the network's input for frames of a size.

    It is the size for the frame's long side, or the largest below that keeps the input, of the
    frame's aspect, within `MOST_PIXELS`.

    Args:
        frame_size: Height and width of the frame in pixels.

    Example:
        >>> [automatic_long_side((9 * n, 16 * n)) for n in (40, 80, 120)]
        [416, 512, 640]
        >>> automatic_long_side((1080, 1080))
        512
    """
    short, long = sorted(frame_size)
    wanted = LONG_SIDES[: bisect.bisect_left(FRAME_SIDES, long) + 1]
    affordable = [side for side in wanted if side * side * short <= MOST_PIXELS * long]
    return max(affordable, default=LONG_SIDES[0])
