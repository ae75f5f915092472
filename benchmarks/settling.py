"""How fast the tracker finds the noise that fits a scene: a plot by kind of camera and detector.

    python benchmarks/settling.py --simulated DIR --out settling.png

For each kind of `simulate_sequences.py`, the factor of the process noise of a place (x) that the
motion models agree on (the geometric mean of `motion_bank.FACTORS` by weight) over the first
seconds, one line for each sequence; and on the terminal, the seconds after which a line stays
within a factor of 2 of its median from then on.
"""

import argparse
from pathlib import Path

import numpy as np
from development_set import SIMULATED, Scene, simulated, simulated_scenes
from matplotlib.figure import Figure
from real_video import DATA

from tracker.tracking.deepsort import DeepSort
from tracker.tracking.motion_bank import FACTORS
from tracker.util.arrays import Float64Array

PLACE = 0
"""Coordinate x of cxcyah."""


def factors(scene: Scene, seconds: float) -> tuple[Float64Array, Float64Array]:
    """Returns seconds `(F,)` and the factor agreed on in each frame `(F,)`."""
    deepsort = DeepSort()
    deepsort.reset(frame_interval_s=scene.interval_s, frame_size=scene.size)
    count = min(len(scene.found), round(seconds / scene.interval_s))
    agreed = np.zeros(count)
    for frame in range(count):
        deepsort.step(scene.found[frame], dt=float(scene.steps[frame]))
        agreed[frame] = np.exp(deepsort.model_weights[PLACE] @ np.log(FACTORS))
    return np.arange(count) * scene.interval_s, agreed


def settled(times: Float64Array, agreed: Float64Array) -> float:
    """Returns the first time from which on the median is kept within a factor of 2 for a second."""
    usual = np.median(agreed[len(agreed) // 4 :])
    near = np.abs(np.log(agreed / usual)) < np.log(2)
    span = int(np.searchsorted(times, 1.0))
    for start in range(len(times) - span):
        if near[start : start + span].all():
            return float(times[start])
    return float("inf")


def main() -> None:
    """Draws the plot and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--simulated", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    folder = simulated(arguments.simulated, arguments.data, seed=arguments.seed)
    figure = Figure(figsize=(9, 2.2 * len(SIMULATED)), layout="constrained")
    axes = figure.subplots(len(SIMULATED), 1, sharex=True, sharey=True)
    for axis, kind in zip(axes, SIMULATED, strict=True):
        seconds = []
        for scene in simulated_scenes(folder, (kind,), ()):
            times, agreed = factors(scene, arguments.seconds)
            axis.plot(times, agreed, label=scene.name)
            seconds.append(settled(times, agreed))
        axis.set(yscale="log", title=kind, ylabel="noise, factor")
        axis.grid(alpha=0.3)
        print(f"{kind:10} settled after " + ", ".join(f"{value:.1f} s" for value in seconds))
    axes[-1].set_xlabel("seconds")
    axes[0].legend(fontsize="small", ncols=3)
    figure.savefig(arguments.out, dpi=90)


if __name__ == "__main__":
    main()
