"""Draws the figures of docs/tour.md with the functions of the package.

python scripts/site/draw_figures.py [NAME ...] [--out docs/images]
"""

import argparse
from pathlib import Path

import detection_figures
import tracking_figures
from figure_style import save, use_style
from matplotlib import pyplot as plt

FIGURES = {
    "convolution.svg": detection_figures.convolution,
    "fcn.png": detection_figures.fcn,
    "iou.svg": detection_figures.iou,
    "nms.png": detection_figures.nms_steps,
    "precision-recall.svg": detection_figures.precision_recall,
    "kalman.svg": tracking_figures.kalman_steps,
    "gating.svg": tracking_figures.gating,
    "appearance.png": tracking_figures.appearance,
    "hungarian.svg": tracking_figures.hungarian,
    "balls.png": tracking_figures.balls,
}
"""By file name, in the order of the page."""

IMAGES = Path(__file__).parents[2] / "docs" / "images"


def main() -> None:
    """Draws all figures, or those that are named."""
    parser = argparse.ArgumentParser(description="Draw the figures of docs/tour.md.")
    parser.add_argument("names", nargs="*", choices=[*FIGURES, []], metavar="NAME")
    parser.add_argument("--out", type=Path, default=IMAGES, metavar="FOLDER")
    arguments = parser.parse_args()
    use_style()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or FIGURES:
        figure = FIGURES[name]()
        save(figure, arguments.out / name)
        plt.close(figure)


if __name__ == "__main__":
    main()
