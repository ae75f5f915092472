"""Figures about detection: convolution, fully convolutional networks, IoU, NMS, precision."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from figure_style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    RED,
    draw_boxes,
    draw_cells,
    without_ticks,
)
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle

import tracker
from tracker.boxes import pairwise_iou
from tracker.detection.nms import NmsSettings, nms
from tracker.evaluation.average_precision import ImageResult, average_precision

SAMPLES = Path(__file__).parents[2] / "samples"


@cache
def plaza_frames() -> tuple[Any, ...]:
    """Returns the images of the sample clip."""
    with tracker.VideoFile(str(SAMPLES / "plaza.mp4")) as video:
        return tuple(frame.image for frame in video)


def plaza_truth(frame: int) -> tuple[Any, Any]:
    """Returns ids and boxes xyxy of the people of the sample clip in a frame, counted from 0."""
    rows = np.loadtxt(SAMPLES / "plaza-truth.txt", delimiter=",")
    rows = rows[(rows[:, 0] == frame + 1) & (rows[:, 8] > 0.9)]
    boxes = np.hstack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]]).astype(np.float32)
    return rows[:, 1].astype(int), boxes


def convolution() -> Figure:
    """A classifier of 3x3 pixels slides over an image: the same numbers as one convolution."""
    from tracker.models.fcn.convert import fully_convolutional
    from tracker.models.fcn.window_classifier import build_window_classifier

    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
    image = np.full((8, 8), 1.0, np.float32)
    image[:, 4:] = 3.0
    image[5:, 2:] = 3.0
    classifier = build_window_classifier(1, window=(3, 3), hidden=(), extractor=lambda x: x)
    weights = np.zeros((27, 1), np.float32)
    weights[::3, 0] = kernel.ravel()  # of the red channel alone
    classifier.get_layer("objectness").set_weights([weights, np.zeros(1, np.float32)])
    whole = fully_convolutional(classifier).network
    pixels = np.repeat(image[..., None], 3, axis=2)

    def logit(probability: Any) -> Any:
        value = np.asarray(probability, np.float64)
        return np.log(value / (1 - value))

    at_once = logit(whole(pixels[None], training=False)["objectness"])[0, ..., 0]
    one = pixels[None, 2:5, 2:5]
    alone = logit(classifier(one, training=False)["objectness"])[0, 0]
    assert abs(alone - at_once[2, 2]) < 1e-3

    figure, axes = plt.subplots(
        1, 3, figsize=(9.6, 3.6), layout="constrained", width_ratios=(8, 3.4, 6)
    )
    draw_cells(axes[0], image, cmap="Blues", vmin=0, vmax=6)
    draw_cells(axes[1], kernel, form="{:+.0f}", cmap="PuOr", vmin=-4, vmax=4, dark_from=0.9)
    draw_cells(axes[2], at_once, form="{:+.0f}", cmap="Oranges", vmin=-1, vmax=14)
    for row, column, colour in ((0, 0, GREEN), (2, 2, RED), (4, 5, PURPLE)):
        style: dict[str, Any] = {"fill": False, "ec": colour, "lw": 2.5}
        axes[0].add_patch(Rectangle((column - 0.45, row - 0.45), 2.9, 2.9, **style))
        axes[2].add_patch(Rectangle((column - 0.45, row - 0.45), 0.9, 0.9, **style))
    axes[0].set_title("image, 8 x 8 pixels,\nthree positions of the window")
    axes[1].set_title("weights of the\nwindow, 3 x 3")
    axes[2].set_title("result, 6 x 6: one number\nfor each position")
    axes[1].set_xlabel(
        f"red window alone: {alone:+.0f}\nred cell on the right: {at_once[2, 2]:+.0f}"
    )
    without_ticks(*axes)
    return figure


def fcn() -> Figure:
    """A classifier of 224 pixels on an image of 448 pixels: a grid of 8 times 8 windows."""
    import keras

    from tracker.models.fcn.convert import fully_convolutional
    from tracker.models.fcn.window_classifier import build_window_classifier

    def extractor(pixels: Any) -> Any:
        for filters in (8, 16, 16, 16, 16):
            pixels = keras.layers.Conv2D(filters, 3, strides=2, activation="relu")(pixels)
        return pixels

    keras.utils.set_random_seed(0)
    classifier = build_window_classifier(1, window=(224, 224), hidden=(16,), extractor=extractor)
    converted = fully_convolutional(classifier)
    image = np.ascontiguousarray(plaza_frames()[130][60:508, 300:748])
    grid = np.asarray(converted.network(image[None].astype(np.float32), training=False)["box"])[0]
    assert grid.shape[:2] == converted.grid((448, 448)) == (8, 8)

    figure, axes = plt.subplots(1, 2, figsize=(8.8, 4.3), layout="constrained")
    axes[0].imshow(image, alpha=0.75)
    axes[1].imshow(np.ones((8, 8, 3)) * 0.95)
    for row, column, colour in ((0, 0, GREEN), (3, 2, RED), (7, 7, BLUE)):
        y, x = row * converted.stride[0], column * converted.stride[1]
        axes[0].add_patch(Rectangle((x, y), 223, 223, fill=False, ec=colour, lw=2.5))
        axes[1].add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fc=colour, alpha=0.8))
        window = image[None, y : y + 224, x : x + 224].astype(np.float32)
        alone = np.asarray(classifier(window, training=False)["box"])[0]
        assert np.abs(alone - grid[row, column]).max() < 1e-4
        link = ConnectionPatch(
            (x + 223, y + 112), (column - 0.5, row), "data", "data", axesA=axes[0], axesB=axes[1]
        )
        link.set(color=colour, lw=1.2, alpha=0.7)
        figure.add_artist(link)
    axes[1].set_xticks(np.arange(9) - 0.5, minor=True)
    axes[1].set_yticks(np.arange(9) - 0.5, minor=True)
    axes[1].grid(which="minor", color=GREY, lw=0.6)
    axes[0].set_title("448 x 448 pixels, windows of 224 x 224")
    axes[1].set_title("one pass: 8 x 8 results, 32 pixels apart")
    axes[1].tick_params(which="both", length=0)
    without_ticks(*axes)
    return figure


def iou() -> Figure:
    """Intersection over union of three pairs of boxes."""
    first = np.array([[10, 10, 70, 90]], np.float32)
    others = np.array([[64, 62, 124, 142], [30, 22, 90, 102], [14, 14, 74, 94]], np.float32)
    values = pairwise_iou(first, others)[0]
    figure, axes = plt.subplots(1, 3, figsize=(8.4, 3.3), layout="constrained")
    for axis, other, value in zip(axes, others, values, strict=True):
        x1, y1 = np.maximum(first[0, :2], other[:2])
        x2, y2 = np.minimum(first[0, 2:], other[2:])
        axis.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fc=GREEN, alpha=0.45))
        draw_boxes(axis, [first[0], other], [BLUE, ORANGE], lw=2.5)
        inside = float((x2 - x1) * (y2 - y1))
        axis.set(xlim=(0, 134), ylim=(150, 0), aspect="equal")
        axis.set_title(f"IoU = {inside:.0f} / {2 * 60 * 80 - inside:.0f} = {value:.2f}")
    without_ticks(*axes)
    return figure


def nms_steps() -> Figure:
    """Candidates of a detector, and what each step of non-maximum suppression takes out."""
    image = plaza_frames()[150]
    _, truth = plaza_truth(150)
    people = truth[np.argsort(-(truth[:, 3] - truth[:, 1]))[:2]]
    rng = np.random.default_rng(3)
    size = (people[:, 2:] - people[:, :2]).mean(axis=0)
    spread = 0.03 + 0.05 * np.tile(np.arange(4), 2)[:, None]  # a lower score, a worse box
    shift = np.tile(spread * rng.uniform(-1, 1, (8, 2)) * size, 2)
    boxes = (np.repeat(people, 4, axis=0) + shift).astype(np.float32)
    scores = np.array([0.91, 0.78, 0.64, 0.52, 0.86, 0.71, 0.55, 0.40], np.float32)
    classes = np.zeros(8, np.int32)
    steps = [
        nms(boxes, scores, classes, settings=NmsSettings(iou=0.45, max_detections=most))
        for most in (1, 2)
    ]
    left, top = boxes[:, :2].min(axis=0) - 30
    right, bottom = boxes[:, 2:].max(axis=0) + 14
    figure, axes = plt.subplots(1, 3, figsize=(10, 2.75), layout="constrained")
    for axis, kept in zip(axes, [np.zeros(0, int), *steps], strict=True):
        axis.imshow(image, alpha=0.55)
        overlap = pairwise_iou(boxes[kept], boxes) if len(kept) else np.zeros((1, 8))
        gone = (overlap > 0.45).any(axis=0)
        gone[kept] = False
        waiting = [row for row in range(8) if not gone[row] and row not in kept]
        draw_boxes(axis, boxes[gone], [GREY] * gone.sum(), lw=0.8, ls=":")
        draw_boxes(axis, boxes[waiting], [ORANGE] * len(waiting), lw=1.4)
        draw_boxes(axis, boxes[kept], [GREEN] * len(kept), [f"{scores[k]:.2f}" for k in kept], lw=3)
        axis.set(xlim=(left, right), ylim=(bottom, top))
    axes[0].set_title("8 candidates with scores\nfrom 0.40 to 0.91")
    axes[1].set_title("step 1: the best one is kept;\nIoU > 0.45 with it: out (dotted)")
    axes[2].set_title("step 2: the best of the rest;\nnothing is left: done")
    without_ticks(*axes)
    return figure


def _precision_at(truth: Any, boxes: Any, threshold: float) -> tuple[Any, Any, Any]:
    """Returns recall and precision after each detection, and the curve at 101 recalls."""
    overlap, taken, hits = pairwise_iou(boxes, truth), set(), []
    for row in overlap:
        free = [column for column in range(len(truth)) if column not in taken]
        best = max(free, key=lambda column: row[column], default=None)
        hit = best is not None and row[best] >= threshold
        taken |= {best} if hit else set()
        hits.append(hit)
    found = np.cumsum(hits)
    recall, precision = found / len(truth), found / np.arange(1, len(hits) + 1)
    curve = [precision[recall >= r].max(initial=0) for r in np.linspace(0, 1, 101)]
    return recall, precision, np.array(curve)


def precision_recall() -> Figure:
    """Precision and recall of ranked detections, and average precision by IoU threshold."""
    rng = np.random.default_rng(5)
    corner = np.stack([40 + 90 * np.arange(10), np.full(10, 50)], axis=1)
    truth = np.hstack([corner, corner + np.array([40, 90])]).astype(np.float32)
    order = [0, 1, 2, None, 3, 4, None, 5, 6, None, 7, None]
    boxes = np.array([[x := 500 + 60 * k, 300, x + 40, 390] for k in range(12)], np.float32)
    for rank, target in enumerate(order):
        if target is not None:
            boxes[rank] = truth[target] + np.tile(rng.normal(0, 1 + 0.45 * rank, 2), 2)
    scores = np.linspace(0.95, 0.3, 12).astype(np.float32)
    labels = [np.zeros(len(part), np.int32) for part in (truth, boxes)]
    result = average_precision(
        [ImageResult(truth.astype(float), labels[0], np.zeros(10, bool), boxes, scores, labels[1])]
    )
    thresholds = np.arange(0.5, 0.96, 0.05)
    by_threshold = [_precision_at(truth, boxes, t - 1e-9)[2].mean() for t in thresholds]
    assert abs(by_threshold[0] - result.map50) < 1e-6
    assert abs(np.mean(by_threshold) - result.map) < 1e-6

    recall, precision, curve = _precision_at(truth, boxes, 0.5)
    figure, axes = plt.subplots(1, 2, figsize=(9.4, 3.5), layout="constrained")
    axes[0].fill_between(np.linspace(0, 1, 101), curve, step="pre", color=BLUE, alpha=0.15)
    axes[0].plot(recall, precision, "o-", color=INK, ms=4, lw=1, label="after each detection")
    axes[0].step(
        np.linspace(0, 1, 101), curve, color=BLUE, lw=2, label="best precision from here on"
    )
    axes[0].set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.08))
    axes[0].set_title(f"AP at IoU 0.5: the area, {result.map50:.2f}")
    axes[0].legend(loc="lower left")
    axes[1].bar(thresholds, by_threshold, width=0.035, color=ORANGE)
    axes[1].axhline(result.map, color=INK, lw=1, ls="--")
    axes[1].set(xlabel="IoU that counts as found", ylabel="AP", ylim=(0, 1.08))
    axes[1].set_title(f"mean over ten thresholds: {result.map:.2f} (dashed)")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure
