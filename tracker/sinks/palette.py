"""Colours that people with and without colour vision deficiency tell apart."""

Color = tuple[int, int, int]

PALETTE: tuple[Color, ...] = (
    *((204, 121, 167), (240, 228, 66), (0, 114, 178), (213, 94, 0)),
    *((86, 180, 233), (230, 159, 0), (0, 158, 115)),
    *((150, 255, 120), (195, 165, 75), (210, 0, 180), (150, 135, 255), (240, 0, 75)),
    *((150, 60, 255), (255, 120, 150), (180, 225, 150), (0, 255, 225)),
)
"""RGB. The first seven are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), in an order
in which neighbours differ most. The others were chosen one by one, each as far as possible in
CIELAB from all before, in the nearest of four views: normal vision and the simulated dichromacies
of Machado et al. 2009 (10.1109/TVCG.2009.113). Any two are 15.5 or more apart in all four views."""

# Without a common factor with the length, so that every seed below the length starts elsewhere.
_SEED_STEP = 5


def color_of(number: int, seed: int) -> Color:
    """Returns the RGB colour of an id, always the same; every 16th id has the same one.

    Args:
        number: An id of a track, or one more than the index of a class.
        seed: Another seed assigns the colours in another order.
    """
    return PALETTE[(number - 1 + _SEED_STEP * seed) % len(PALETTE)]


def ink_on(color: Color) -> Color:
    """Returns black or white, whichever is legible on the colour."""
    # Perceived brightness (BT.601).
    bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 130
    return (0, 0, 0) if bright else (255, 255, 255)
