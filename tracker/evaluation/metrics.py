"""HOTA, CLEAR and Identity metrics, computed by the package `trackeval`."""

import contextlib
import importlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from tracker.errors import DataError, DependencyError
from tracker.evaluation.similarity import Comparison, id_switches
from tracker.util.arrays import Float64Array, IndexArray, Int64Array

# Name here -> family and name in trackeval. Order is the order of columns and keys.
_RATIOS = {
    "HOTA": ("HOTA", "HOTA"),
    "DetA": ("HOTA", "DetA"),
    "AssA": ("HOTA", "AssA"),
    "LocA": ("HOTA", "LocA"),
    "DetRe": ("HOTA", "DetRe"),
    "DetPr": ("HOTA", "DetPr"),
    "AssRe": ("HOTA", "AssRe"),
    "AssPr": ("HOTA", "AssPr"),
    "MOTA": ("CLEAR", "MOTA"),
    "MOTP": ("CLEAR", "MOTP"),
    "IDF1": ("Identity", "IDF1"),
    "IDP": ("Identity", "IDP"),
    "IDR": ("Identity", "IDR"),
}
_COUNTS = {
    "TP": ("CLEAR", "CLR_TP"),
    "FP": ("CLEAR", "CLR_FP"),
    "FN": ("CLEAR", "CLR_FN"),
    "IDSW": ("CLEAR", "IDSW"),
    "Frag": ("CLEAR", "Frag"),
    "MT": ("CLEAR", "MT"),
    "PT": ("CLEAR", "PT"),
    "ML": ("CLEAR", "ML"),
    "IDTP": ("Identity", "IDTP"),
    "IDFP": ("Identity", "IDFP"),
    "IDFN": ("Identity", "IDFN"),
}
RATIO_NAMES = tuple(_RATIOS)
"""Fractions up to 1; only MOTA may be negative. The HOTA family is averaged over alpha."""
COUNT_NAMES = tuple(_COUNTS)
"""Counts."""

_ALPHA_NAMES = ("HOTA", "DetA", "AssA", "LocA")


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Scores of one sequence, or of all combined.

    Attributes:
        values: By name, `RATIO_NAMES` and `COUNT_NAMES`: fractions as float, counts as int.
        over_alpha: `HOTA`, `DetA`, `AssA`, `LocA` at each threshold of `Evaluation.alphas`.
    """

    values: Mapping[str, float | int]
    over_alpha: Mapping[str, Float64Array]


@dataclass(frozen=True, slots=True, eq=False)
class Switches:
    """Id switches: a ground truth object is matched with another track than before.

    Attributes:
        frames: `(S,)` frame number, ascending.
        ids: `(S,)` id of the ground truth.
        frame_count: Length of the sequence.
    """

    frames: IndexArray
    ids: Int64Array
    frame_count: int


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What `combine` needs of one sequence.

    Attributes:
        families: TrackEval's results by family of metrics and name: counts and arrays over alpha.
        switches: Id switches.
    """

    families: Mapping[str, Mapping[str, Any]]
    switches: Switches


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The scores of a set of sequences.

    Attributes:
        sequences: By name.
        combined: Of all sequences, combined as in TrackEval (weighted by boxes).
        alphas: `(19,)` IoU thresholds 0.05 to 0.95 of the HOTA family.
        switches: Id switches by name of the sequence.
    """

    sequences: Mapping[str, Scores]
    combined: Scores
    alphas: Float64Array
    switches: Mapping[str, Switches]


def evaluate(comparisons: Mapping[str, Comparison]) -> Evaluation:
    """Returns the scores by sequence and combined.

    Without tracks all scores are 0 but LocA, which TrackEval sets to 1; likewise without ground
    truth.

    Args:
        comparisons: Matched ground truth and tracks, by name of the sequence.

    Raises:
        DataError: There is no sequence.
        DependencyError: `trackeval` is not installed.
    """
    return combine({name: measure(comparison) for name, comparison in comparisons.items()})


def measure(comparison: Comparison) -> Measured:
    """Returns the results of one sequence, to be combined with others.

    Args:
        comparison: Matched ground truth and tracks.

    Raises:
        DependencyError: `trackeval` is not installed.
    """
    families = {
        family: metric.eval_sequence(comparison.trackeval_data())
        for family, metric in _metrics().items()
    }
    return Measured(families, Switches(*id_switches(comparison), comparison.frame_count))


def combine(measured: Mapping[str, Measured]) -> Evaluation:
    """Returns the scores by sequence and combined, as `evaluate` does of the same sequences.

    Args:
        measured: Results by name of the sequence.

    Raises:
        DataError: There is no sequence.
        DependencyError: `trackeval` is not installed.
    """
    if not measured:
        raise DataError("evaluation: expected one sequence or more, got none")
    metrics = _metrics()
    combined = {
        family: metric.combine_sequences(
            {name: dict(one.families[family]) for name, one in measured.items()}
        )
        for family, metric in metrics.items()
    }
    return Evaluation(
        sequences={name: _scores(one.families) for name, one in measured.items()},
        combined=_scores(combined),
        alphas=np.array(metrics["HOTA"].array_labels, np.float64),
        switches={name: one.switches for name, one in measured.items()},
    )


def _scores(families: Mapping[str, Mapping[str, Any]]) -> Scores:
    values: dict[str, float | int] = {}
    for name, (family, field) in _RATIOS.items():
        values[name] = float(np.mean(families[family][field]))
    for name, (family, field) in _COUNTS.items():
        values[name] = int(families[family][field])
    over_alpha = {name: np.array(families["HOTA"][name], dtype=np.float64) for name in _ALPHA_NAMES}
    return Scores(values, over_alpha)


@cache
def _metrics() -> dict[str, Any]:
    """Returns the three metrics by name, loaded without output on the terminal."""
    quiet = {"PRINT_CONFIG": False}
    # On import, the package prints which of its optional parts are missing.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            load: Callable[[str], Any] = importlib.import_module
            return {
                "HOTA": load("trackeval.metrics.hota").HOTA(),
                "CLEAR": load("trackeval.metrics.clear").CLEAR(quiet),
                "Identity": load("trackeval.metrics.identity").Identity(quiet),
            }
        except ImportError as error:
            raise DependencyError(
                f"tracker eval needs the package trackeval 1.3 or newer: {error}; "
                "pip install trackeval"
            ) from error
