"""Settings that are made in Python: every number, text and flag of the package has its type."""

import dataclasses
import math
import typing
from typing import Any

import numpy as np
import pytest

from tracker.analytics.settings import Calibration, KnownLength, Line, Zone
from tracker.cli.train.detector_config import TrainConfig
from tracker.cli.train.labels_config import LabelConfig
from tracker.cli.train.reid_config import ReidTrainConfig
from tracker.cli.train.segmenter_config import SegmentTrainConfig
from tracker.config.run import Config
from tracker.errors import ConfigError
from tracker.tracking.kalman import MotionNoise
from tracker.tracking.offline.refine import RefineSettings
from tracker.tracking.settings import DeepSortSettings

SQUARE = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))

WRONG: dict[Any, tuple[object, ...]] = {
    float: (math.inf, -math.inf, math.nan, True, "3", [1.0]),
    int: (math.inf, True, "3", 2.5, [1]),
    bool: (1, "yes", 0.0),
    str: (5, True, ["a"]),
}


NEEDED: dict[type, dict[str, Any]] = {
    Zone: {"name": "yard", "polygon": ((0, 0), (9, 0), (9, 9))},
    Line: {"name": "door", "points": ((0, 0), (9, 0))},
    Calibration: {"image": SQUARE, "ground": SQUARE},
    KnownLength: {"image": ((0, 0), (9, 0)), "metres": 2.0},
}
"""Fields without a default."""


def kinds(kind: type, found: dict[type, dict[str, Any]]) -> dict[type, dict[str, Any]]:
    """Types by field of a class of settings and of all below it."""
    if kind not in found:
        found[kind] = typing.get_type_hints(kind)
        for hint in list(found[kind].values()):
            for one in (hint, *typing.get_args(hint)):
                if dataclasses.is_dataclass(one):
                    kinds(typing.cast(type, one), found)
    return found


ALL: dict[type, dict[str, Any]] = {}
TREES = (Config, TrainConfig, LabelConfig, SegmentTrainConfig, ReidTrainConfig, RefineSettings)
for top in TREES:
    kinds(top, ALL)
FIELDS = [
    (kind, field.name, base)
    for kind, hints in ALL.items()
    for field in dataclasses.fields(kind)
    for base in WRONG
    if base in (hints[field.name], *typing.get_args(hints[field.name]))
    and typing.get_origin(hints[field.name]) not in (tuple, dict)
    and "__post_init__" in vars(kind)
]


def test_there_are_many_fields() -> None:
    assert len({kind for kind, _, _ in FIELDS}) > 20
    assert len(FIELDS) > 150


@pytest.mark.parametrize(("kind", "name", "base"), FIELDS)
def test_wrong_types_and_infinity_are_refused(kind: type, name: str, base: type) -> None:
    for value in WRONG[base]:
        if base is str and isinstance(value, list):
            continue  # some fields take text or a list of texts
        with pytest.raises(ConfigError, match=f"{name}|first_s"):
            kind(**{**NEEDED.get(kind, {}), name: value})


def test_numpy_scalars_and_ints_are_accepted_as_floats() -> None:
    assert DeepSortSettings(resume_reach=np.float32(0.5)).resume_reach == 0.5
    assert DeepSortSettings(confirm_hits=np.int64(2)).confirm_hits == 2
    assert MotionNoise(position=1).position == 1
