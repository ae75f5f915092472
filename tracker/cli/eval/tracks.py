"""`tracker eval`: scores of track files against ground truth."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracker.cli.text_output import check_text_output, write_text
from tracker.errors import ConfigError, DataError, nearest
from tracker.evaluation import report
from tracker.evaluation.metrics import Evaluation, evaluate
from tracker.evaluation.mot_io import (
    Rules,
    Truth,
    find_tracks,
    find_truth,
    people_only,
    read_truth,
)
from tracker.evaluation.plots import write_plots
from tracker.evaluation.similarity import Comparison, compare
from tracker.sinks.output_file import STDOUT
from tracker.sinks.paths import check_different, check_not_read
from tracker.track_files.read import read_recording

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EvalRequest:
    """Ground truth, tracks and outputs of `tracker eval`.

    Attributes:
        truth: Folder with `NAME/gt/gt.txt`, one sequence folder, or a ground-truth file.
        tracks: Folder with `NAME.txt`, `.jsonl` or `.json`, or, for one sequence, a file.
        rules: MOT15, MOT17 or MOT20.
        json: File for the scores as JSON, "-" for stdout; `None` for none.
        csv: File for the scores as CSV, "-" for stdout; `None` for none.
        plot: Folder for PNG plots; `None` for none.
    """

    truth: str
    tracks: str
    rules: str
    json: str | None = None
    csv: str | None = None
    plot: str | None = None


def run_eval(request: EvalRequest) -> Evaluation:
    """Prints, writes and returns the scores.

    The table is printed to stdout, or to stderr where JSON or CSV is written to stdout.

    Raises:
        ConfigError: The rules are unknown, or two outputs have the same path.
        SourceError: A file is missing or cannot be read.
        DataError: A file is malformed, ground truth and tracks do not match, or no row of the
            ground truth is evaluated.
        OutputError: A result cannot be written, or would replace ground truth or tracks.
        DependencyError: `trackeval` or Matplotlib is not installed.
    """
    rules = _parse_rules(request.rules)
    if request.json is not None and request.json == request.csv:
        raise ConfigError(
            f"--json {request.json} and --csv {request.csv}: expected different paths"
        )
    truth = find_truth(request.truth)
    tracks = find_tracks(request.tracks, list(truth))
    outputs = [path for path in (request.json, request.csv) if path is not None]
    for path in outputs:
        check_text_output(path)
    check_different(outputs)
    check_not_read(outputs, [str(path) for path in (*truth.values(), *tracks.values())])
    truths = {name: read_truth(file, rules) for name, file in truth.items()}
    _check_has_objects(truths, truth)
    evaluation = evaluate(
        {name: _compare(truths[name], tracks[name], rules, name) for name in truth}
    )
    report.print_table(evaluation, stderr=STDOUT in (request.json, request.csv))
    if request.json is not None:
        write_text(request.json, report.json_text(evaluation))
    if request.csv is not None:
        write_text(request.csv, report.csv_text(evaluation))
    if request.plot is not None:
        write_plots(evaluation, request.plot)
    return evaluation


def _parse_rules(name: str) -> Rules:
    try:
        return Rules(name.upper())
    except ValueError:
        known = [rules.value for rules in Rules]
        hint = nearest(name.upper(), known)
        raise ConfigError(f"--rules {name}: expected {', '.join(known)}{hint}") from None


def _check_has_objects(truths: Mapping[str, Truth], files: Mapping[str, Path]) -> None:
    """Warns of each sequence whose ground truth has no object to evaluate.

    Raises:
        DataError: No sequence has any, so that no score is defined.
    """
    reasons = {name: truth.why_unscored for name, truth in truths.items() if truth.why_unscored}
    lines = [f"{files[name]}: no row counts: {reason}" for name, reason in reasons.items()]
    if lines and len(lines) == len(truths):
        more = f" (and {len(lines) - 1} other files without such a row)" if len(lines) > 1 else ""
        raise DataError(f"{lines[0]}{more}")
    for line in lines:
        _log.warning("%s", line)


def _compare(truth: Truth, tracks_file: Path, rules: Rules, name: str) -> Comparison:
    recording = read_recording(tracks_file)
    tracks = recording.tracks
    if not recording.complete:
        _log.warning(
            "%s: incomplete: its run did not come to its end; what it lacks counts as missed",
            tracks_file,
        )
    people = people_only(tracks)
    if len(people) < len(tracks):
        _log.warning(
            "%s: %d of %d boxes are of classes other than person and are not evaluated",
            *(tracks_file, len(tracks) - len(people), len(tracks)),
        )
    if len(people) and len(truth) and not np.isin(people.frames, truth.frames).any():
        _log.warning(
            "%s (sequence %s): none of its frames, %d to %d, is in the ground truth, %d to %d; "
            "do the files belong together?",
            *(tracks_file, name, people.frames[0] + 1, people.frames[-1] + 1),
            *(truth.frames[0] + 1, truth.frames[-1] + 1),
        )
    try:
        return compare(truth, people, rules)
    except DataError as error:
        raise DataError(f"{tracks_file} (sequence {name}): {error}") from error
