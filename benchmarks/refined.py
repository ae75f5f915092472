"""What `tracker refine` gains by kind of sequence, and what following the camera adds to it.

    python benchmarks/refined.py --simulated DIR --seed 1

On-line tracks of the simulated sequences (`generalise.py`) and of MOT15 are refined in the same
process, with and without the camera's path. HOTA, MOTA and IDF1 of each kind, as a table.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
from development_set import SIMULATED, Scene, mot15_scenes, simulated, simulated_scenes
from kinds import Rows, Track, evaluate_kinds, track
from real_video import DATA

from tracker.config.build import tracking_settings
from tracker.config.run import Config, load_config
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.offline import refine as refinement
from tracker.tracking.offline.camera_path import CameraPath, camera_path
from tracker.tracking.offline.refine import RefineSettings, refine
from tracker.tracking.offline.track_rows import TrackRows

COLUMNS = ("HOTA", "MOTA", "IDF1")


def refined(scene: Scene, config: Config, *, follows: bool) -> Rows:
    """Returns the refined tracks of a sequence, `(R, 6)` rows of frame, id and xyxy."""
    refinement.camera_path = camera_path if follows else _fixed  # type: ignore[assignment]
    rows = refine(_seen(scene, config), RefineSettings(), fps=1 / scene.interval_s).rows
    return np.column_stack([rows.frames, rows.ids, rows.boxes])


def _fixed(rows: TrackRows, *, fps: float) -> CameraPath | None:
    return None


def _seen(scene: Scene, config: Config) -> TrackRows:
    """Returns the rows with a detection, which `tracker refine` takes from a recording."""
    deepsort = DeepSort(tracking_settings(config))
    deepsort.reset(frame_interval_s=scene.interval_s, frame_size=scene.size)
    parts = []
    for frame, (detections, dt) in enumerate(zip(scene.found, scene.steps, strict=True)):
        tracks = deepsort.step(detections, dt=float(dt))
        tracks = tracks.select((tracks.ids > 0) & (tracks.detection_index >= 0))
        frames = np.full(len(tracks), frame, np.int32)
        parts.append((frames, tracks.ids, tracks.boxes, tracks.scores, tracks.classes))
    return TrackRows.create(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--simulated", type=Path, required=True, help="folder of the sequences")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--workers", type=int, default=2)
    words = parser.parse_args()
    folder = simulated(words.simulated, words.data, words.seed)
    scenes = simulated_scenes(folder, SIMULATED, ()) + mot15_scenes(words.data, ())
    ways: dict[str, Track] = {
        "on-line": track,
        "refined as before a fixed camera": partial(refined, follows=False),
        "refined": partial(refined, follows=True),
    }
    found = {
        name: evaluate_kinds(load_config(), scenes, workers=words.workers, follow=follow)
        for name, follow in ways.items()
    }
    sys.stdout.write(f"| kind | {' | '.join(ways)} |\n|---|{'---|' * len(ways)}\n")
    for kind in found["on-line"]:
        cells = [
            " / ".join(f"{100 * scores[kind].values[name]:.1f}" for name in COLUMNS)
            for scores in found.values()
        ]
        sys.stdout.write(f"| {kind} | {' | '.join(cells)} |\n")


if __name__ == "__main__":
    main()
