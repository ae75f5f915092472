"""The square of `plaza.mp4`: paving, houses, kiosk, fountain, trees, benches, lamps."""

from itertools import pairwise

import cv2
import numpy as np
from stage import (
    FACADE_Z,
    HEIGHT,
    OVERSAMPLING,
    WIDTH,
    Colour,
    Image,
    Layer,
    Piece,
    Points,
    cast,
    ground_under,
    project,
    shade,
)


def paving(rng: np.random.Generator) -> Image:
    """Returns the bare ground `(H, W, 3)`: slabs, bands and a round mosaic."""
    size = OVERSAMPLING
    columns = (np.arange(WIDTH * size) + 0.5) / size
    rows = (np.arange(HEIGHT * size) + 0.5) / size
    x, z = ground_under(*np.meshgrid(columns, rows))
    z = np.minimum(z, FACADE_Z + 12)
    slab_row = np.floor(z / 0.7)
    slab_x = x / 1.1 + 0.5 * (slab_row % 2)
    tone = rng.normal(0, 1, (64, 128))[
        slab_row.astype(int) % 64, np.floor(slab_x).astype(int) % 128
    ]
    # Joints fade with distance, where they are narrower than a pixel.
    fade = np.clip(1.3 - z / 26, 0.15, 1)
    joint = (np.abs((z / 0.7) % 1 - 0.5) > 0.47) | (np.abs(slab_x % 1 - 0.5) > 0.48)
    ground = np.array([203.0, 190.0, 170.0]) + tone[..., None] * [5.0, 5.0, 5.5]
    ground -= (joint * fade * 26)[..., None]
    band = (np.abs(x % 6.6 - 3.3) < 0.28) | (np.abs((z - 1.5) % 7.0 - 3.5) < 0.28)
    ground[band] = ground[band] * 0.86 + np.array([-2.0, -4.0, -6.0])
    radius = np.hypot(x - FOUNTAIN[0], z - FOUNTAIN[1])
    angle = np.arctan2(z - FOUNTAIN[1], x - FOUNTAIN[0])
    wedge = ((angle / (np.pi / 12)).astype(int) + (radius / 0.45).astype(int)) % 2 == 0
    mosaic = radius < 3.0
    ground[mosaic & wedge] *= [0.92, 0.85, 0.80]
    ground[np.abs(radius - 3.05) < 0.12] = [150, 118, 98]
    ground += rng.normal(0, 2.5, (*ground.shape[:2], 1))
    ground *= (1.04 - 0.10 * np.clip(z / FACADE_Z, 0, 1))[..., None]
    return cv2.resize(ground.astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def wall(
    layer: Layer,
    span: tuple[float, float],
    heights: tuple[float, float],
    colour: Colour,
    z: float = FACADE_Z,
) -> None:
    """Fills an upright rectangle facing the camera."""
    (x1, x2), (y1, y2) = span, heights
    layer.polygon([(x1, y1, z), (x2, y1, z), (x2, y2, z), (x1, y2, z)], colour)


def block(
    layer: Layer,
    span: tuple[float, float],
    depth: tuple[float, float],
    heights: tuple[float, float],
    colour: Colour,
) -> None:
    """Draws a box: top, the side that is seen, and front."""
    (x1, x2), (z1, z2), (y1, y2) = span, depth, heights
    layer.polygon([(x1, y2, z1), (x2, y2, z1), (x2, y2, z2), (x1, y2, z2)], shade(colour, 1.12))
    for x in (x1, x2):
        if (x - (x1 + x2) / 2) * x < 0:
            side = [(x, y1, z1), (x, y2, z1), (x, y2, z2), (x, y1, z2)]
            layer.polygon(side, shade(colour, 0.92 if x == x1 else 0.72))
    wall(layer, span, heights, colour, z1)


def house(layer: Layer, span: tuple[float, float], colour: Colour, awning: Colour) -> None:
    """Draws the ground floor of one house with a door, shop windows and a striped awning."""
    x1, x2 = span
    frame, glass = (92, 74, 62), (96, 118, 130)
    wall(layer, span, (0, 9), colour)
    wall(layer, span, (0, 0.45), shade(colour, 0.72))
    wall(layer, (x1, x1 + 0.10), (0, 9), shade(colour, 0.84))
    door = x1 + 0.7
    wall(layer, (door, door + 1.2), (0, 2.35), frame)
    wall(layer, (door + 0.15, door + 1.05), (1.0, 2.2), shade(glass, 0.85))
    left = door + 1.8
    wall(layer, (left, x2 - 0.6), (0.6, 2.4), frame)
    panes = max(1, round((x2 - 0.6 - left) / 1.3))
    edges = np.linspace(left + 0.05, x2 - 0.65, panes + 1)
    for a, b in pairwise(edges):
        wall(layer, (a + 0.05, b - 0.05), (0.72, 2.3), glass)
        layer.polygon(
            [
                (a + 0.25, 2.3, FACADE_Z),
                (a + 0.55, 2.3, FACADE_Z),
                (a + 0.25, 0.72, FACADE_Z),
                (a + 0.05, 1.0, FACADE_Z),
            ],
            shade(glass, 1.35),
        )
    wall(layer, (left, x2 - 0.6), (2.95, 3.4), shade(awning, 0.8))
    stripes = np.linspace(left - 0.1, x2 - 0.5, 2 * panes * 3)
    for number, (a, b) in enumerate(pairwise(stripes)):
        paint = awning if number % 2 else (240, 234, 222)
        near = FACADE_Z - 1.1
        layer.polygon(
            [(a, 2.9, FACADE_Z), (b, 2.9, FACADE_Z), (b, 2.25, near), (a, 2.25, near)], paint
        )
        wall(layer, (a, b), (2.05, 2.25), shade(paint, 0.88), near)


def facades() -> Piece:
    """Returns the row of houses at the far side, with an alley between the second and third."""
    layer = Layer()
    house(layer, (-17.0, -11.2), (214, 186, 142), (60, 110, 96))
    house(layer, (-11.2, -5.6), (198, 150, 128), (62, 84, 130))
    house(layer, (-3.2, 2.6), (226, 208, 172), (170, 66, 54))
    house(layer, (2.6, 8.4), (170, 184, 178), (196, 140, 60))
    house(layer, (8.4, 17.0), (212, 170, 136), (70, 106, 72))
    return layer.piece(FACADE_Z)


def alley_back() -> Piece:
    """Returns what closes the alley: the house behind it, in the shade."""
    layer = Layer()
    z = FACADE_Z + 9
    wall(layer, (-12, 2), (0, 12), (128, 116, 112), z)
    wall(layer, (-6.0, -4.6), (0, 2.6), (84, 70, 66), z)
    for x in (-5.6, -3.2):
        lane = [(x, 0, FACADE_Z), (x, 0, z), (x, 9, z), (x, 9, FACADE_Z)]
        layer.polygon(lane, (118, 104, 98) if x < -4 else (156, 134, 118))
    return layer.piece(FACADE_Z + 9)


FOUNTAIN = (1.0, 18.6)
KIOSK = ((4.3, 6.9), (17.4, 19.4))
TREES = ((-6.9, 17.6, 1.0), (8.9, 14.6, 0.92), (-10.8, 23.5, 1.1), (11.6, 24.0, 1.05))
BENCHES = ((-4.4, 17.9), (-9.2, 16.6), (10.6, 19.0))
LAMPS = ((-2.9, 21.6), (8.0, 21.6))


def leaves(spot: tuple[float, float, float], seed: int) -> list[tuple[Points, float, float]]:
    """Returns centre, radius and brightness of the clumps that make up a tree's crown."""
    x, z, size = spot
    rng = np.random.default_rng(seed)
    clumps = []
    for _ in range(90):
        way = rng.normal(0, 1, 3)
        way *= rng.uniform(0.2, 1.0) ** 0.5 / np.linalg.norm(way)
        way *= [1.45, 1.15, 1.45]
        light = 0.80 + 0.16 * (way[1] - 0.8 * way[0]) + rng.normal(0, 0.05)
        centre = np.array([x, 3.5, z]) + way
        clumps.append((centre * [1, size, 1], rng.uniform(0.24, 0.44) * size, light))
    return sorted(clumps, key=lambda clump: (clump[2], -clump[0][2]))


def tree(spot: tuple[float, float, float], seed: int) -> Piece:
    """Returns a tree standing at X, Z with a relative size."""
    x, z, size = spot
    layer = Layer()
    ring = np.linspace(0, 2 * np.pi, 24)
    bed = np.column_stack([x + 0.8 * np.cos(ring), 0 * ring, z + 0.8 * np.sin(ring)])
    layer.polygon(bed, (120, 92, 70))
    layer.limb([(x, 0.05, z), (x, 2.9 * size, z)], 0.15 * size, (104, 78, 58))
    layer.limb([(x - 0.06, 0.05, z), (x - 0.06, 2.9 * size, z)], 0.07 * size, (132, 102, 78))
    for centre, radius, light in leaves(spot, seed):
        layer.ball(centre, radius, shade((104, 140, 66), light))
    return layer.piece(z)


def kiosk() -> Piece:
    """Returns the newspaper kiosk."""
    layer = Layer()
    (x1, x2), (z1, z2) = KIOSK
    block(layer, KIOSK[0], KIOSK[1], (0, 2.5), (52, 104, 98))
    wall(layer, (x1 + 0.2, x2 - 0.2), (1.05, 2.05), (44, 52, 56), z1)
    papers = [(214, 80, 66), (236, 226, 200), (236, 184, 76), (96, 140, 186), (230, 230, 226)]
    for number in range(10):
        a = x1 + 0.28 + 0.21 * number
        low = 1.15 + 0.42 * (number % 2)
        wall(layer, (a, a + 0.17), (low, low + 0.32), papers[number % 5], z1)
    wall(layer, (x1, x2), (0.9, 1.02), (224, 214, 190), z1)
    roof = ((x1 - 0.3, x2 + 0.3), (z1 - 0.45, z2 + 0.2))
    block(layer, roof[0], roof[1], (2.5, 2.72), (206, 196, 170))
    return layer.piece(z1)


def fountain() -> Piece:
    """Returns the fountain: a round basin, still water and a column with a bowl."""
    layer = Layer()
    x, z = FOUNTAIN
    turn = np.linspace(0, 2 * np.pi, 60)

    def disc(radius: float, height: float, colour: Colour) -> None:
        ring = [x + radius * np.cos(turn), 0 * turn + height, z + radius * np.sin(turn)]
        layer.polygon(np.column_stack(ring), colour)

    for height in np.linspace(0, 0.5, 12):
        disc(1.5, height, shade((168, 158, 146), 0.82 + 0.2 * height))
    disc(1.5, 0.52, (214, 206, 192))
    disc(1.28, 0.5, (104, 150, 164))
    disc(0.7, 0.51, (142, 184, 192))
    layer.limb([(x, 0.5, z), (x, 1.35, z)], 0.13, (176, 166, 152))
    for height in np.linspace(1.3, 1.5, 6):
        disc(0.35 + 1.2 * (height - 1.3), height, shade((186, 178, 164), 0.8 + height - 1.3))
    disc(0.5, 1.5, (128, 170, 180))
    return layer.piece(z - 1.4)


def bench(x: float, z: float) -> Piece:
    """Returns a bench that faces the camera."""
    layer = Layer()
    wood, iron = (150, 104, 66), (62, 62, 64)
    for a in (x + 0.1, x + 1.6):
        block(layer, (a, a + 0.08), (z, z + 0.5), (0, 0.42), iron)
    for low in (0.55, 0.72, 0.89):
        wall(layer, (x, x + 1.8), (low, low + 0.13), wood, z + 0.5)
    block(layer, (x, x + 1.8), (z, z + 0.45), (0.40, 0.46), wood)
    return layer.piece(z)


def lamp(x: float, z: float) -> Piece:
    """Returns a street lamp."""
    layer = Layer()
    iron = (52, 58, 60)
    layer.limb([(x, 0, z), (x, 0.5, z)], 0.10, iron)
    layer.limb([(x, 0.4, z), (x, 3.5, z)], 0.045, iron)
    layer.ball((x, 3.72, z), 0.2, (250, 240, 206))
    layer.limb([(x, 3.92, z), (x, 3.98, z)], 0.16, iron)
    return layer.piece(z)


def still_shadow() -> Image:
    """Returns `(H, W)` in 0..1: the shadows of everything that stands still."""
    layer, black = Layer(), (0, 0, 0)
    for seed, spot in enumerate(TREES):
        x, z, size = spot
        layer.limb(cast([(x, 0, z), (x, 2.9 * size, z)]), 0.14, black)
        for centre, radius, _ in leaves(spot, seed):
            layer.ball(cast(centre)[0], radius * 0.9, black)
    (x1, x2), (z1, z2) = KIOSK
    corners = [(x, y, z) for x in (x1, x2) for z in (z1, z2) for y in (0.0, 2.7)]
    hull = cv2.convexHull(project(cast(corners))[:, :2].astype(np.float32))[:, 0]
    flat = ground_under(hull[:, 0], hull[:, 1])
    layer.polygon(np.column_stack([flat[0], 0 * flat[0], flat[1]]), black)
    turn = np.linspace(0, 2 * np.pi, 60)
    basin = [FOUNTAIN[0] + 1.5 * np.cos(turn), 0 * turn + 0.5, FOUNTAIN[1] + 1.5 * np.sin(turn)]
    layer.polygon(cast(np.column_stack(basin)), black)
    for x, z in LAMPS:
        layer.limb(cast([(x, 0, z), (x, 3.7, z)]), 0.05, black)
    for x, z in BENCHES:
        seat = [(x, 0.45, z), (x + 1.8, 0.45, z), (x + 1.8, 0.9, z + 0.5), (x, 0.9, z + 0.5)]
        layer.polygon(cast(seat), black)
    strip = [
        (-20, 0, FACADE_Z),
        (20, 0, FACADE_Z),
        (20, 0, FACADE_Z - 0.9),
        (-20, 0, FACADE_Z - 0.9),
    ]
    layer.polygon(strip, black)
    return cv2.GaussianBlur(layer.picture()[..., 3], (0, 0), 1.2)
