"""Renders `plaza.mp4` and `plaza-truth.txt`: people crossing a drawn town square.

Run it with `python samples/render.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from people import PEOPLE, figure, moving_shadow, pose, walk
from square import (
    BENCHES,
    LAMPS,
    TREES,
    alley_back,
    bench,
    facades,
    fountain,
    kiosk,
    lamp,
    paving,
    still_shadow,
    tree,
)
from stage import FPS, FRAMES, HEIGHT, WIDTH, Piece, inside, paste

# A person belongs to the truth between the first and the last frame in which at least this
# share of the body can be seen.
FIRST_VISIBLE = 0.10
SHADOW_DARKNESS = 0.38


@dataclass(frozen=True)
class TruthRow:
    """One person in one frame: number of the frame from 1, id, box xywh in pixels, visibility."""

    frame: int
    person: int
    box: tuple[int, int, int, int]
    visibility: float


def truth_rows(pieces: list[Piece], frame: int) -> list[TruthRow]:
    """Returns the rows of the people among pieces that are sorted from far to near."""
    rows = []
    for order, piece in enumerate(pieces):
        found = inside(piece)
        if not piece.person or not found:
            continue
        body = found[2][..., 3] >= 0.5
        if not body.any():
            continue
        hidden = np.zeros((HEIGHT, WIDTH), bool)
        for nearer in pieces[order + 1 :]:
            cover = inside(nearer)
            if cover:
                hidden[cover[0], cover[1]] |= cover[2][..., 3] >= 0.5
        y, x = np.nonzero(body)
        left, top = found[1].start + x.min(), found[0].start + y.min()
        box = (int(left), int(top), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1)
        shown = (body & ~hidden[found[0], found[1]]).sum()
        share = float(shown / (piece.picture[..., 3] >= 0.5).sum())
        rows.append(TruthRow(frame, piece.person, box, share))
    return rows


def seen_rows(rows: list[TruthRow]) -> list[TruthRow]:
    """Returns the rows between each person's first and last visible frame, sorted."""
    kept = []
    for person in {row.person for row in rows}:
        own = [row for row in rows if row.person == person]
        seen = [row.frame for row in own if row.visibility >= FIRST_VISIBLE]
        if seen:
            kept += [row for row in own if seen[0] <= row.frame <= seen[-1]]
    return sorted(kept, key=lambda row: (row.frame, row.person))


def render() -> Iterator[tuple[NDArray[np.uint8], list[TruthRow]]]:
    """Yields each frame `(H, W, 3)` uint8 RGB with its rows of truth."""
    rng = np.random.default_rng(2026)
    ground, still = paving(rng), still_shadow()
    things = [alley_back(), facades(), kiosk(), fountain()]
    things += [tree(spot, seed) for seed, spot in enumerate(TREES)]
    things += [bench(*spot) for spot in BENCHES] + [lamp(*spot) for spot in LAMPS]
    walks = [walk(person) for person in PEOPLE]
    for k in range(FRAMES):
        steps = {number: way[k] for number, way in enumerate(walks, 1) if k in way}
        bodies = {number: pose(PEOPLE[number - 1], step) for number, step in steps.items()}
        people = [figure(body, steps[number].z, number) for number, body in bodies.items()]
        shadow = np.maximum(still, moving_shadow(list(bodies.values())))
        frame = ground * (1 - SHADOW_DARKNESS * shadow[..., None] * [1.0, 0.98, 0.94])
        pieces = sorted(things + people, key=lambda piece: -piece.z)
        for piece in pieces:
            paste(frame, piece)
        frame += rng.normal(0, 1.3, (HEIGHT, WIDTH, 1))
        yield np.clip(np.round(frame), 0, 255).astype(np.uint8), truth_rows(pieces, k + 1)


def main() -> None:
    folder = Path(__file__).parent
    rows: list[TruthRow] = []
    # One thread and no time stamps: the same libraries write the same bytes.
    options = {"crf": "24", "preset": "medium", "threads": "1"}
    with av.open(
        str(folder / "plaza.mp4"), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}
    ) as file:
        stream = file.add_stream("libx264", rate=Fraction(FPS), options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for image, found in render():
            rows += found
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode())
    lines = [
        ",".join(map(str, (row.frame, row.person, *row.box, 1, 1))) + f",{row.visibility:.3f}\n"
        for row in seen_rows(rows)
    ]
    (folder / "plaza-truth.txt").write_text("".join(lines), encoding="ascii")


if __name__ == "__main__":
    main()
