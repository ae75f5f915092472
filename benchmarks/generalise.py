r"""Tracking metrics by kind of camera and detector, beside other trackers, and left out in turn.

    python benchmarks/generalise.py --simulated /tmp/simulated --cache /tmp/boxes --workers 2 \
        --peer-python trackers=/tmp/trackers/bin/python --set tracking.max_age_frames=60

One configuration, as for `tracker run`, for the whole development set (`development_set.py`): one
row for each kind, with the mean HOTA of its sequences and with the scores combined over them as
`tracker eval` does, and one row for all simulated sequences. A setting that gains on one kind and
loses on another shows here.

`--peer-python LIBRARY=PYTHON` adds the trackers of a library on the same boxes; it is installed in
an environment outside this one (`python3 -m venv DIR; DIR/bin/pip install trackers==2.6.1`).

`--grid FILE` measures more settings, a YAML mapping from a name to a list of KEY=VALUE, and prints
what leave-one-kind-out gives: for each kind the settings are chosen on all other kinds, by the mean
of their mean HOTA and with none of them worse than without, and measured on the kind left out.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from development_set import (
    APPEARANCE,
    MOT15,
    REAL,
    SIMULATED,
    RealVideos,
    Scene,
    mot15_scenes,
    simulated,
    simulated_scenes,
)
from kinds import (
    ALL,
    MEAN_HOTA,
    by_kind,
    evaluate_scenes,
    in_processes,
    leave_one_out,
    left_out_scores,
    scored,
    worse_kinds,
)
from peer_trackers import TRACKERS, library_version, run_peer
from real_video import DATA, FLOOR, DetectorChoice

from tracker.config.run import Config, load_config
from tracker.evaluation.metrics import COUNT_NAMES, Measured, Scores, combine
from tracker.registry.builtin import embedder_files
from tracker.util.yaml_text import read_yaml

COLUMNS = (MEAN_HOTA, "HOTA", "MOTA", "IDF1", "IDSW")
OURS = "tracker"


def load_scenes(words: argparse.Namespace, cache: Path) -> list[Scene]:
    """Returns the sequences that the command line asks for; prints which data are missing."""
    scenes: list[Scene] = []
    kinds = [kind for kind in SIMULATED if not words.kinds or kind in words.kinds]
    if not (words.data / "mot17").is_dir():
        sys.exit(f"{words.data}: expected mot17, mot15 and video in it; name it with --data")
    if kinds:
        folder = simulated(words.simulated or cache / "simulated", words.data, words.seed)
        scenes += simulated_scenes(folder, kinds, words.sequences)
    if words.mot15 and (not words.kinds or MOT15 in words.kinds):
        scenes += mot15_scenes(words.data, words.sequences)
    if words.real and (not words.kinds or REAL in words.kinds):
        choice, network = DetectorChoice.parse(words.detector), embedder_files().exported
        videos = RealVideos(words.data, cache, choice, words.embedder or network)
        scenes += videos.scenes(words.conf, words.sequences)
    return scenes


def peers(
    words: argparse.Namespace, scenes: Sequence[Scene], cache: Path
) -> dict[str, dict[str, Measured]]:
    """Returns what other trackers reached on the boxes, by library and tracker, then sequence."""
    given = {scene.key: scene for scene in scenes if not scene.kind.endswith(APPEARANCE)}
    boxes = {key: scene.boxes for key, scene in given.items()}
    measured = {}
    for library, python in words.peer_python:
        for tracker in TRACKERS[library]:
            if words.peers and tracker not in words.peers:
                continue
            rows = run_peer(library, tracker, python, boxes, cache)
            tasks = [(scene, rows[key]) for key, scene in given.items()]
            found = in_processes(scored, tasks, words.workers)
            measured[f"{library} {tracker}"] = dict(zip(given, found, strict=True))
    return measured


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a markdown table."""
    lines = [f"| {' | '.join(header)} |", "|---|" + "--:|" * (len(header) - 1)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def shown(scores: Scores | None, name: str) -> str:
    """Returns a cell: ratios in percent, `-` where there are no scores."""
    if scores is None:
        return "-"
    value = scores.values[name]
    return str(value) if name in COUNT_NAMES else f"{100 * value:.1f}"


def best(others: Mapping[str, Mapping[str, Scores]], row: str, name: str) -> str:
    """Returns the best value of a metric among other trackers, and whose it is."""
    values = {who: kinds[row].values[name] for who, kinds in others.items() if row in kinds}
    if not values:
        return "-"
    who = max(values, key=lambda one: values[one])
    return f"{shown(others[who][row], name)} {who}"


def report(results: Mapping[str, Mapping[str, Scores]]) -> str:
    """Returns the tables: ours beside the best of others, then each metric of all."""
    ours = results[OURS]
    others = {name: rows for name, rows in results.items() if name != OURS}
    peak = COLUMNS[:-1] if others else ()
    header = ["kind", *COLUMNS, *(f"best other {name}" for name in peak)]
    rows = [
        [row, *(shown(scores, name) for name in COLUMNS), *(best(others, row, n) for n in peak)]
        for row, scores in ours.items()
    ]
    parts = [table(header, rows)]
    for name in COLUMNS if others else ():
        cells = [[row, *(shown(one.get(row), name) for one in results.values())] for row in ours]
        parts.append(table([name, *results], cells))
    return "\n\n".join(parts)


def grid_report(
    candidates: Mapping[str, Mapping[str, Scores]],
    chosen: Mapping[str, str],
    left_out: Mapping[str, Scores],
) -> str:
    """Returns the mean HOTA of all candidates by kind, and with settings chosen without it."""
    rows = [
        [
            row,
            *(shown(one[row], MEAN_HOTA) for one in candidates.values()),
            shown(scores, MEAN_HOTA),
            chosen.get(row, ""),
        ]
        for row, scores in left_out.items()
    ]
    kinds = [row for row in left_out if row != ALL]
    means = [
        sum(one[kind].values[MEAN_HOTA] for kind in kinds) / len(kinds)
        for one in [*candidates.values(), left_out]
    ]
    counts = [
        len(worse_kinds(one, candidates[OURS], kinds)) for one in [*candidates.values(), left_out]
    ]
    rows += [
        ["mean of the kinds", *(f"{100 * mean:.1f}" for mean in means), ""],
        [f"kinds worse than {OURS}", *map(str, counts), ""],
    ]
    return table([MEAN_HOTA, *candidates, "left out", "chosen by the others"], rows)


def sequence_report(results: Mapping[str, Mapping[str, Measured]]) -> str:
    """Returns HOTA of every sequence."""
    single = {
        name: {key: combine({key: one}).combined for key, one in measured.items()}
        for name, measured in results.items()
    }
    rows = [
        [key, *(shown(one.get(key), "HOTA") for one in single.values())] for key in single[OURS]
    ]
    return table(["HOTA", *single], rows)


def words_from(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder of mot15, mot17, video")
    parser.add_argument("--simulated", type=Path, help="folder of simulated sequences, kept")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated detections")
    parser.add_argument("--cache", type=Path, help="folder for boxes of videos and for peers")
    parser.add_argument(
        "--kinds", type=lambda text: text.split(","), default=[], metavar="KIND,...",
        help=f"of {', '.join([*SIMULATED, MOT15, REAL])}",
    )  # fmt: skip
    parser.add_argument(
        "--sequences", type=lambda text: text.split(","), default=[], metavar="PART,...",
        help="those whose names contain one of these",
    )  # fmt: skip
    parser.add_argument("--no-mot15", dest="mot15", action="store_false")
    parser.add_argument("--no-real", dest="real", action="store_false")
    parser.add_argument("--conf", type=float, nargs="+", default=[0.5], help="of the real videos")
    parser.add_argument("--detector", default="small@416", help="of the real videos, NAME@SIDE")
    parser.add_argument("--embedder", type=Path, help="of the real videos; default: the built-in")
    parser.add_argument("--config", help="YAML file, as for `tracker run`")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--grid", type=Path, help="YAML file of more settings, by name")
    parser.add_argument(
        "--peer-python", action="append", default=[], type=lambda text: text.split("=", 1),
        metavar="LIBRARY=PYTHON", help=f"of {', '.join(TRACKERS)}",
    )  # fmt: skip
    parser.add_argument(
        "--peers", type=lambda text: text.split(","), default=[], metavar="TRACKER,...",
        help="those of the libraries with these names",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--each", action="store_true", help="print every sequence as well")
    parser.add_argument("--json", type=Path, help="file for the scores as JSON")
    words = parser.parse_args(arguments)
    unknown = set(words.kinds) - {*SIMULATED, MOT15, REAL}
    unknown |= {library for library, *_ in words.peer_python} - set(TRACKERS)
    if unknown or min(words.conf) < FLOOR:
        parser.error(f"unknown: {unknown}" if unknown else f"--conf: expected {FLOOR} or more")
    return words


def settings(words: argparse.Namespace) -> dict[str, Config]:
    """Returns the configurations by name, that of the command line first."""
    grid = read_yaml(words.grid) if words.grid else {}
    return {
        OURS: load_config(words.config, words.set),
        **{name: load_config(words.config, [*words.set, *keys]) for name, keys in grid.items()},
    }


def as_json(results: Mapping[str, Mapping[str, Measured]]) -> dict[str, Any]:
    """Returns the scores by tracker, for kinds and for sequences, as plain JSON types."""
    return {
        name: {
            "kinds": {row: dict(one.values) for row, one in by_kind(measured).items()},
            "sequences": {
                key: dict(combine({key: one}).combined.values) for key, one in measured.items()
            },
        }
        for name, measured in results.items()
    }


def main() -> None:
    words = words_from()
    configs = settings(words)
    with tempfile.TemporaryDirectory() as passing:
        cache = words.cache or Path(passing)
        cache.mkdir(parents=True, exist_ok=True)
        scenes = load_scenes(words, cache)
        if not scenes:
            sys.exit("no sequence has such a kind and name")
        candidates = {}
        for name, config in configs.items():
            start = time.perf_counter()
            candidates[name] = evaluate_scenes(config, scenes, workers=words.workers)
            took_s = time.perf_counter() - start
            print(f"{name}: {len(scenes)} sequences in {took_s:.0f} s", file=sys.stderr)
        others = peers(words, scenes, cache)
    about = {
        "python": platform.python_version(),
        **{package: version(package) for package in ("tracker-pipeline", "numpy", "trackeval")},
        **{library: library_version(library, python) for library, python in words.peer_python},
        "seed": str(words.seed),
        "boxes of videos": words.detector,
        "settings": " ".join([words.config or "", *words.set]).strip() or "defaults",
    }
    print(", ".join(f"{key} {value}" for key, value in about.items()) + "\n")
    results = {OURS: candidates[OURS], **others}
    print(report({name: by_kind(one) for name, one in results.items()}))
    if words.each:
        print("\n" + sequence_report(results))
    chosen: dict[str, str] = {}
    if words.grid:
        scores = {name: by_kind(one) for name, one in candidates.items()}
        chosen = leave_one_out(scores, OURS)
        print("\n" + grid_report(scores, chosen, left_out_scores(candidates, chosen)))
    if words.json is not None:
        record = {
            "about": about,
            "config": configs[OURS].to_json(),
            "scores": as_json({**candidates, **others}),
            "chosen without the kind": chosen,
        }
        words.json.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
