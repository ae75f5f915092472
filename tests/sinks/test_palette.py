import itertools

import numpy as np
import pytest

from tracker.sinks.palette import PALETTE, color_of, ink_on

# Machado, Oliveira and Fernandes 2009, table of full severity: linear RGB to linear RGB.
VIEWS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
)  # fmt: skip


def linear(colors: np.ndarray) -> np.ndarray:
    share = colors / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB, white D65."""
    xyz = np.clip(rgb, 0, 1) @ TO_XYZ.T / TO_XYZ.sum(axis=1)
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


@pytest.mark.parametrize("view", VIEWS)
def test_any_two_colours_are_told_apart(view: str) -> None:
    seen = lab(linear(np.array(PALETTE, float)) @ np.array(VIEWS[view]).T)
    gaps = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
    assert min(gaps) > 15  # 2.3 is just noticeable; the palette of Okabe and Ito has 16.1


def test_the_colours_of_okabe_and_ito_are_first() -> None:
    published = {0xE69F00, 0x56B4E9, 0x009E73, 0xF0E442, 0x0072B2, 0xD55E00, 0xCC79A7}
    assert {(r << 16) + (g << 8) + b for r, g, b in PALETTE[:7]} == published


def test_every_seed_gives_another_order_of_all_colours() -> None:
    orders = {tuple(color_of(number, seed) for number in range(1, 17)) for seed in range(16)}
    assert len(orders) == 16
    assert all(set(order) == set(PALETTE) for order in orders)
    assert color_of(-1, 0) in PALETTE
    assert color_of(2**62, 3) in PALETTE


@pytest.mark.parametrize("color", PALETTE)
def test_text_on_every_colour_is_legible(color: tuple[int, int, int]) -> None:
    # Contrast of WCAG 2; 3 is the minimum for large text.
    light, dark = sorted(
        (float(linear(np.array(c, float)) @ TO_XYZ[1]) for c in (color, ink_on(color))),
        reverse=True,
    )
    assert (light + 0.05) / (dark + 0.05) > 3
