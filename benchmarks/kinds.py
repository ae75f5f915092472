"""Tracks and scores of the development set by kind, and settings chosen without a kind.

from development_set import mot15_scenes, simulated, simulated_scenes
from kinds import evaluate_kinds

scenes = simulated_scenes(simulated(folder, DATA, seed=0), ("plain", "drive"), ())
print(evaluate_kinds(load_config(), scenes)["plain"].values["HOTA"])
"""

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from development_set import SIMULATED, Scene

from tracker.config.build import tracking_settings
from tracker.config.run import CameraCompensation, Config
from tracker.errors import ConfigError
from tracker.evaluation.metrics import Evaluation, Measured, Scores, combine, measure
from tracker.evaluation.similarity import compare
from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.offline.fixed_lag import FixedLag
from tracker.tracks import Tracks

ALL = "all simulated"
"""Row of all simulated sequences combined."""

MEAN_HOTA = "mean HOTA"
"""The mean over the sequences of a kind: each counts alike, however many people it has."""

WORSE = 0.0005
"""A kind is worse from this loss of HOTA on: half of the last digit printed."""

Rows = np.ndarray[Any, Any]
Track = Callable[[Scene, Config], Rows]
"""From a sequence and a configuration to `(R, 6)` rows of frame from 0, id and xyxy."""


def track(scene: Scene, config: Config) -> Rows:
    """Returns `(R, 6)` rows of frame, id and xyxy: the tracks that `tracker run --mot` writes.

    Args:
        scene: The sequence.
        config: The configuration; detectors run on every frame.

    Raises:
        ConfigError: It needs images, or leaves frames out.
    """
    if config.camera_motion is CameraCompensation.FLOW or config.detector.every != 1:
        raise ConfigError(
            "camera_motion, detector.every: expected auto or off, and 1, got "
            f"{config.camera_motion.value} and {config.detector.every}; the sequences have "
            "detections in every frame and no images"
        )
    deepsort = DeepSort(tracking_settings(config))
    deepsort.reset(frame_interval_s=scene.interval_s, frame_size=scene.size)
    parts = [np.zeros((0, 6))]
    results = (
        deepsort.step(detections, dt=float(dt))
        for detections, dt in zip(scene.found, scene.steps, strict=True)
    )
    for frame, tracks in enumerate(_late(results, scene, deepsort.lag_frames)):
        kept = tracks.ids > 0
        columns = (np.full(kept.sum(), frame), tracks.ids[kept], tracks.boxes[kept])
        parts.append(np.column_stack(columns))
    return np.concatenate(parts)


def _late(results: Iterator[Tracks], scene: Scene, lag_frames: int) -> Iterator[Tracks]:
    """Yields results as late, and as good, as `tracking.lag_frames` makes them."""
    if not lag_frames:
        yield from results
        return
    lag = FixedLag(lag_frames)
    times_s = np.cumsum(scene.steps * scene.interval_s).tolist()
    for tracks, time_s in zip(results, times_s, strict=True):
        earlier = lag.push(tracks, time_s)
        if earlier is not None:
            yield earlier
    yield from lag.flush()


def score(scene: Scene, rows: Rows) -> Measured:
    """Returns what `combine` needs of the tracks of a sequence."""
    count = len(rows)
    tracks = RecordedTracks(
        frames=rows[:, 0].astype(np.int32),
        ids=rows[:, 1].astype(np.int64),
        boxes=rows[:, 2:].astype(np.float64),
        scores=np.ones(count, np.float32),
        classes=np.zeros(count, np.int32),
        seen=np.ones(count, np.bool_),
        embeddings=np.zeros((count, 0), np.float32),
        class_names=(),
        frame_count=None,
        fps=None,
    )
    return measure(compare(scene.truth, tracks, scene.rules))


def _tracked_and_scored(task: tuple[Scene, Config, Track]) -> Measured:
    scene, config, follow = task
    return score(scene, follow(scene, config))


def scored(task: tuple[Scene, Rows]) -> Measured:
    """Returns `score` of a sequence and rows in one argument, as `in_processes` gives it."""
    return score(*task)


def in_processes(
    function: Callable[[Any], Measured], tasks: Sequence[Any], workers: int
) -> list[Measured]:
    """Returns the results of the tasks, in their order."""
    if workers == 1:
        return [function(task) for task in tasks]
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        return list(pool.map(function, tasks))


def evaluate_scenes(
    config: Config, scenes: Sequence[Scene], *, workers: int = 1, follow: Track = track
) -> dict[str, Measured]:
    """Returns what `combine` needs, by key of the sequence.

    Args:
        config: The configuration.
        scenes: The sequences.
        workers: Processes.
        follow: Makes the tracks; a function of a module where there are several workers.
    """
    tasks = [(scene, config, follow) for scene in scenes]
    measured = in_processes(_tracked_and_scored, tasks, workers)
    return {scene.key: one for scene, one in zip(scenes, measured, strict=True)}


def evaluate_kinds(
    config: Config, scenes: Sequence[Scene], *, workers: int = 1, follow: Track = track
) -> dict[str, Scores]:
    """Returns the scores of each kind, and of all simulated sequences, by row of the table.

    Args:
        config: The configuration.
        scenes: The sequences.
        workers: Processes.
        follow: Makes the tracks; a function of a module where there are several workers.
    """
    return by_kind(evaluate_scenes(config, scenes, workers=workers, follow=follow))


def by_kind(measured: Mapping[str, Measured]) -> dict[str, Scores]:
    """Returns the combined scores and mean HOTA of each kind, and of all that are simulated."""
    groups: dict[str, dict[str, Measured]] = {}
    for key, one in measured.items():
        groups.setdefault(key.partition("/")[0], {})[key] = one
    first = [kind for kind in SIMULATED if kind in groups]
    if len(first) > 1:
        groups[ALL] = {key: one for kind in first for key, one in groups[kind].items()}
        first.append(ALL)
    rows = [*first, *(kind for kind in groups if kind not in first)]
    return {row: _with_mean(combine(groups[row])) for row in rows}


def _with_mean(evaluation: Evaluation) -> Scores:
    hota = [one.values["HOTA"] for one in evaluation.sequences.values()]
    combined = evaluation.combined
    mean = {MEAN_HOTA: sum(hota) / len(hota)}
    return Scores({**mean, **combined.values}, combined.over_alpha)


def leave_one_out(scores: Mapping[str, Mapping[str, Scores]], default: str) -> dict[str, str]:
    """Returns for each kind the candidate that is chosen without it, by the mean of the HOTAs.

    Kinds of the same videos (`real ...`) are left out together. A candidate that is worse than
    `default` on one of the other kinds is not chosen; the first of equals is.

    Args:
        scores: By candidate and kind, with mean HOTAs.
        default: The candidate that no kind may be worse than.
    """
    kinds = [kind for kind in scores[default] if kind != ALL]
    chosen = {}
    for left_out in kinds:
        others = [kind for kind in kinds if _family(kind) != _family(left_out)]
        sums = {
            name: sum(rows[kind].values[MEAN_HOTA] for kind in others)
            for name, rows in scores.items()
            if not worse_kinds(rows, scores[default], others)
        }
        chosen[left_out] = max(sums, key=lambda name: sums[name])
    return chosen


def worse_kinds(
    scores: Mapping[str, Scores], default: Mapping[str, Scores], kinds: Sequence[str]
) -> list[str]:
    """Returns the kinds of which the mean HOTA is lower than with the default settings."""
    return [
        kind
        for kind in kinds
        if scores[kind].values[MEAN_HOTA] <= default[kind].values[MEAN_HOTA] - WORSE
    ]


def _family(kind: str) -> str:
    return kind.partition(" ")[0]


def left_out_scores(
    candidates: Mapping[str, Mapping[str, Measured]], chosen: Mapping[str, str]
) -> dict[str, Scores]:
    """Returns the scores of each kind with the settings chosen without it, and combined."""
    first = next(iter(candidates.values()))
    return by_kind({key: candidates[chosen[key.partition("/")[0]]][key] for key in first})
