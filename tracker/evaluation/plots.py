"""Plots of an evaluation: scores over the IoU threshold, and id switches over time."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tracker.errors import OutputError
from tracker.evaluation.metrics import Evaluation, Switches
from tracker.util.figures import figure_text, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 120


def write_plots(evaluation: Evaluation, folder: str | Path) -> list[Path]:
    """Writes the plots and returns their paths: `hota.png`, and `id-switches-NAME.png` by sequence.

    Args:
        evaluation: The evaluation.
        folder: Output folder; created if it is missing. Files with these names are replaced.

    Raises:
        OutputError: The folder or a file cannot be written.
        DependencyError: Matplotlib is not installed.
    """
    folder = Path(folder)
    figures = {"hota.png": _over_alpha(evaluation)}
    for name, switches in evaluation.switches.items():
        figures[f"id-switches-{name}.png"] = _time_line(name, switches)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in figures.items():
            figure.savefig(folder / name, dpi=_DPI, format="png")
    except OSError as error:
        raise OutputError(
            f"{folder}: plots cannot be written: {error.strerror or error}"
        ) from error
    return [folder / name for name in figures]


def _over_alpha(evaluation: Evaluation) -> "Figure":
    figure = new_figure(7, 5)
    axes = figure.add_subplot()
    if len(evaluation.sequences) > 1:
        for n, scores in enumerate(evaluation.sequences.values()):
            label = "HOTA of one sequence" if n == 0 else "_one name for all"
            axes.plot(evaluation.alphas, scores.over_alpha["HOTA"], "0.75", lw=1, label=label)
    for name, values in evaluation.combined.over_alpha.items():
        mean = f"{name} {100 * float(np.mean(values)):.1f} %"
        axes.plot(evaluation.alphas, values, lw=3 if name == "HOTA" else 1.5, label=mean)
    axes.set(xlabel="alpha (IoU from which a match counts)", ylabel="score", title="Combined")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _time_line(name: str, switches: Switches) -> "Figure":
    ids, rows = np.unique(switches.ids, return_inverse=True)
    figure = new_figure(9, min(1.6 + 0.22 * max(len(ids), 1), 12))
    axes = figure.add_subplot()
    axes.scatter(switches.frames + 1, rows, marker="|", s=90, color="tab:red")
    axes.hlines(range(len(ids)), 1, switches.frame_count, colors="0.85", lw=1, zorder=0)
    if len(ids):
        # At most as many labels as are legible in 12 inches.
        step = -(-len(ids) // 50)
        axes.set_yticks(range(0, len(ids), step), [str(number) for number in ids[::step]])
    else:
        axes.set_yticks([])
    count = len(switches.frames)
    title = f"{name}: {count} id switch{'' if count == 1 else 'es'}"
    axes.set_title(figure_text(title))
    axes.set(xlabel="frame (from 1)", ylabel="ground truth id")
    axes.set(xlim=(0, switches.frame_count + 1), ylim=(-0.7, max(len(ids), 1) - 0.3))
    return figure
