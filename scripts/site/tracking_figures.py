"""Figures about tracking: Kalman filter, gate, appearance, assignment, two bouncing balls."""

from functools import cache
from typing import Any

import cv2
import numpy as np
from detection_figures import plaza_frames, plaza_truth
from figure_style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    RED,
    draw_boxes,
    draw_cells,
    draw_ellipse,
    without_ticks,
)
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

import tracker
from tracker.boxes import pairwise_iou
from tracker.tracking import kalman
from tracker.tracking.association import Pairs, assign
from tracker.tracking.gating import by_motion

NOISE = kalman.MotionNoise()


@cache
def appearance_network() -> tracker.CropEmbedder:
    """Returns the built-in appearance network."""
    return tracker.CropEmbedder.load_builtin()


def kalman_steps() -> Figure:
    """A track through nine frames, two of them without a detection."""
    rng = np.random.default_rng(1)
    measured = [
        np.array([[40 + 26 * k + rng.normal(0, 3), 60 + 5 * k + rng.normal(0, 3), 0.4, 90.0]])
        for k in range(9)
    ]
    state = kalman.initiate(measured[0], NOISE)
    figure, axis = plt.subplots(figsize=(9, 4.2), layout="constrained")
    for k in range(1, 9):
        state = kalman.predict(state, dt=1.0, noise=NOISE)
        mean, deviation = kalman.means(state), np.sqrt(state[kalman.VARIANCE, :2, 0])
        draw_ellipse(axis, mean[0, :2], deviation, 2, fc=BLUE, alpha=0.14, ec=BLUE)
        label = "_" if k > 1 else "predicted"
        axis.plot(*mean[0, :2], "x", color=BLUE, ms=7, mew=2, label=label)
        if k in {5, 6}:
            continue
        state = kalman.update(state, measured[k], noise=NOISE)
        mean, deviation = kalman.means(state), np.sqrt(state[kalman.VARIANCE, :2, 0])
        draw_ellipse(axis, mean[0, :2], deviation, 2, fc=GREEN, alpha=0.35, ec=GREEN)
        labels = ("_", "_") if k > 1 else ("detection", "updated")
        axis.plot(*measured[k][0, :2], "o", color=ORANGE, ms=5, label=labels[0])
        axis.plot(*mean[0, :2], ".", color=GREEN, ms=9, label=labels[1])
    axis.set(xlabel="centre x (px)", ylabel="centre y (px)", aspect="equal")
    axis.set_title(
        "predict (blue) and update (green), with ellipses of two standard deviations;\n"
        "two frames have no detection: the uncertainty grows until the next one"
    )
    axis.legend(loc="upper right")
    axis.invert_yaxis()
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def gating() -> Figure:
    """The gate of a track, and squared Mahalanobis distances of detections around it."""
    state = kalman.initiate(np.array([[100.0, 80.0, 0.4, 90.0]]), NOISE)
    state[kalman.RATE, 0] = 6.0
    state = kalman.predict(state, dt=1.0, noise=NOISE)
    mean, variance = kalman.means(state), kalman.innovation_variance(state, NOISE)
    places = [(113, 84), (92, 63), (132, 95), (146, 74), (84, 112), (62, 60), (106, 46)]
    detections = np.array([[x, y, 0.4, 90.0] for x, y in places], float)
    pairs = by_motion(mean, variance, detections, gate=kalman.GATE_95)
    distance = (np.square(detections - mean[:, :4]) / variance).sum(axis=1)
    figure, axis = plt.subplots(figsize=(5.6, 4.4), layout="constrained")
    deviation = np.sqrt(variance[0, :2])
    draw_ellipse(axis, mean[0, :2], deviation, kalman.GATE_95**0.5, fc=BLUE, alpha=0.12, ec=BLUE)
    axis.plot(*mean[0, :2], "x", color=BLUE, ms=9, mew=2)
    for row, (x, y) in enumerate(places):
        inside = row in pairs.columns
        axis.plot(x, y, "o", color=GREEN if inside else RED, ms=7)
        style: dict[str, Any] = {"textcoords": "offset points", "fontsize": 9}
        axis.annotate(f"{distance[row]:.1f}", (x, y), (7, 4), **style)
    axis.set(xlabel="centre x (px)", ylabel="centre y (px)", xlim=(40, 166), ylim=(130, 30))
    axis.set_title(f"squared Mahalanobis distances; the gate is at {kalman.GATE_95:.2f}")
    axis.set_aspect("equal")
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def appearance() -> Figure:
    """Crops of the sample clip a second apart, and the cosine distances of their embeddings."""
    first, later = 112, 137
    ids, boxes = plaza_truth(first)
    later_ids, later_boxes = plaza_truth(later)
    shared = [i for i in ids.tolist() if i in later_ids.tolist()][:6]
    crops, vectors = [], []
    for index, names, found in ((first, ids, boxes), (later, later_ids, later_boxes)):
        rows = np.array([names.tolist().index(i) for i in shared])
        frame = tracker.Frame(plaza_frames()[index], index, index / 25, "plaza")
        detections = tracker.Detections.create(found[rows], np.full(len(rows), 0.9))
        vectors.append(appearance_network().embed(frame, detections).embeddings)
        crops.append(
            [frame.image[slice(*b[1::2]), slice(*b[::2])] for b in found[rows].astype(int)]
        )
    distance = 1 - vectors[0] @ vectors[1].T
    count = len(shared)
    figure = plt.figure(figsize=(6.6, 6.4), layout="constrained")
    grid = figure.add_gridspec(count + 1, count + 1, hspace=0.02, wspace=0.02)
    for k in range(count):
        for place, crop in (((k + 1, 0), crops[0][k]), ((0, k + 1), crops[1][k])):
            axis = figure.add_subplot(grid[place])
            axis.imshow(cv2.resize(np.ascontiguousarray(crop), (48, 96)))
            axis.axis("off")
    corner = figure.add_subplot(grid[0, 0])
    corner.axis("off")
    corner.text(0.5, 0.5, "rows: at 4.5 s\ncolumns:\na second later", ha="center", va="center")
    matrix = figure.add_subplot(grid[1:, 1:])
    draw_cells(matrix, distance, form="{:.2f}", cmap="viridis_r", vmin=0, vmax=1, aspect="auto")
    matrix.set_xlabel("cosine distance of the embeddings: small on the diagonal, the same person")
    without_ticks(matrix)
    return figure


def _greedy(cost: Any) -> list[tuple[int, int]]:
    """Returns pairs, always the cheapest of those that are left."""
    left, pairs = cost.copy(), []
    while left.min() < 1:
        row, column = np.unravel_index(left.argmin(), left.shape)
        pairs.append((int(row), int(column)))
        left[row], left[:, column] = np.inf, np.inf
    return pairs


def hungarian() -> Figure:
    """Greedy and Hungarian assignment of three objects that all moved to the right."""
    tracks = np.array([[0, 0, 20, 40], [12, 0, 32, 40], [24, 0, 44, 40]], np.float32)
    found = tracks + np.array([7, 0, 7, 0], np.float32)
    cost = 1 - pairwise_iou(tracks, found)
    matches = assign(Pairs.of(cost, cost < 1), unmatched_cost=1.0)
    best = list(zip(matches.rows.tolist(), matches.columns.tolist(), strict=True))
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
    draw_boxes(axes[0], tracks, [BLUE] * 3, ["a", "b", "c"], lw=2)
    below = found + np.array([0, 52, 0, 52])
    draw_boxes(axes[0], below, [ORANGE] * 3, ["1", "2", "3"], lw=2, ls="--")
    axes[0].set(
        xlim=(-4, 58),
        ylim=(98, -10),
        title="tracks a, b, c (above) and\ndetections 1, 2, 3, moved by 7 px",
    )
    without_ticks(axes[0])
    for axis, title, pairs in ((axes[1], "greedy", _greedy(cost)), (axes[2], "Hungarian", best)):
        total = sum(cost[pair] for pair in pairs) + len(cost) - len(pairs)
        draw_cells(
            axis, np.where(cost < 1, cost, np.nan), form="{:.2f}", cmap="Blues", vmin=0, vmax=1.3
        )
        for row, column in pairs:
            axis.plot(column, row, "o", ms=34, mfc="none", mec=RED, mew=2.2)
        axis.set_xticks(range(3), ["1", "2", "3"])
        axis.set_yticks(range(3), ["a", "b", "c"])
        axis.set(title=f"{title}: {len(pairs)} pairs, total cost {total:.2f}", facecolor="#eceff2")
        axis.set_xlabel("cost: 1 - IoU; grey: no overlap")
    return figure


RADIUS, SPEED, CLOSEST, HIT, LENGTH = 30, 7, 6, 28, 57
"""Of the balls: pixels, pixels a frame, pixels, frames, frames."""
GROUND = np.random.default_rng(0).integers(90, 130, (160, 480, 3)).astype(np.uint8)


def _ball_boxes(k: int) -> Any:
    """Returns the boxes (2, 4) of the red and the blue ball in frame k."""
    half_gap = SPEED * abs(HIT - k) + CLOSEST
    centres = np.array([[240.0 - half_gap, 80], [240.0 + half_gap, 80]])
    return np.hstack([centres - RADIUS, centres + RADIUS])


def _ball_frame(k: int) -> tracker.Frame:
    """Returns frame k; the red ball is in front."""
    image = GROUND.copy()
    for box, colour in zip(_ball_boxes(k)[::-1], [(40, 70, 200), (200, 40, 40)], strict=True):
        x, y = (int(value) for value in box[:2] + RADIUS)
        cv2.circle(image, (x, y), RADIUS, colour, -1, cv2.LINE_AA)
        cv2.circle(image, (x - 10, y - 10), 6, (240, 240, 240), -1, cv2.LINE_AA)
    return tracker.Frame(image, k, k / 25, "balls")


def _track_balls(*, with_appearance: bool) -> Any:
    """Returns one (frame, id, centre x) for each track in each frame."""
    deepsort, rows = tracker.DeepSort(), []
    for k in range(LENGTH):
        found = tracker.Detections.create(_ball_boxes(k), [0.9, 0.9])
        if with_appearance:
            found = appearance_network().embed(_ball_frame(k), found)
        tracks = deepsort.step(found)
        centres = tracks.boxes[:, [0, 2]].mean(axis=1)
        rows += [(k, i, x) for i, x in zip(tracks.ids.tolist(), centres, strict=True)]
    return np.array(rows)


def balls() -> Figure:
    """Two balls that bounce: ids by motion alone, and with appearance."""
    runs = {
        "motion alone: ids swap": _track_balls(with_appearance=False),
        "motion and appearance: ids are kept": _track_balls(with_appearance=True),
    }
    swapped = []
    for rows in runs.values():
        starts, ends = (rows[rows[:, 0] == k] for k in (rows[:, 0].min(), rows[:, 0].max()))
        swapped.append(bool((starts[0, 2] < starts[1, 2]) != (ends[0, 2] < ends[1, 2])))
    assert swapped == [True, False]
    figure, axes = plt.subplot_mosaic(
        [["a", "a", "b", "b", "c", "c"], ["d", "d", "d", "e", "e", "e"]],
        figsize=(10, 5),
        layout="constrained",
        height_ratios=(1, 1.9),
    )
    for name, k in zip("abc", (HIT - 14, HIT, HIT + 14), strict=True):
        axes[name].imshow(_ball_frame(k).image)
        axes[name].set_title(f"frame {k}")
        without_ticks(axes[name])
    for name, (title, rows) in zip("de", runs.items(), strict=True):
        for track_id, colour, marker in ((1, ORANGE, "o"), (2, INK, "s")):
            k, _, x = rows[rows[:, 1] == track_id].T
            axes[name].plot(k, x, marker, ms=4, color=colour, label=f"id {track_id}")
        axes[name].axvline(HIT, color=GREY, lw=0.8, ls="--")
        axes[name].set(title=title, xlabel="frame", ylabel="centre x (px)")
        axes[name].legend(loc="center right")
        axes[name].spines[["top", "right"]].set_visible(False)
    return figure
