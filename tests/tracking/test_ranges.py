"""Numbers in settings are finite, of the right type, and in range."""

import dataclasses

import numpy as np
import pytest

from tracker.errors import ConfigError
from tracker.tracking.kalman import MotionNoise
from tracker.tracking.settings import DeepSortSettings

NUMBERS = [
    field.name
    for field in dataclasses.fields(DeepSortSettings)
    if isinstance(field.default, int | float) and not isinstance(field.default, bool)
]
OPTIONAL = [
    *("max_age_s", "overlap_appearance_distance", "low_score", "max_aspect", "birth_score"),
    "min_mean_score",
]
WRONG = [float("inf"), float("-inf"), float("nan"), True, "3", 1e300, [1.0], 1j]


@pytest.mark.parametrize("value", WRONG, ids=repr)
@pytest.mark.parametrize("name", sorted({*NUMBERS, *OPTIONAL}))
def test_no_number_of_the_tracker_is_infinite_or_of_another_type(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"^tracking\.{name}: expected .*, got "):
        DeepSortSettings(**{name: value})


@pytest.mark.parametrize("value", [*WRONG, 0, -1.0, None], ids=repr)
@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(MotionNoise)])
def test_no_noise_is_infinite_or_of_another_type(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"^MotionNoise\.{name}: expected a number above 0"):
        MotionNoise(**{name: value})


def test_numpy_scalars_are_accepted() -> None:
    settings = DeepSortSettings(confirm_hits=np.int64(2), resume_reach=np.float32(0.5))
    assert (settings.confirm_hits, settings.resume_reach) == (2, 0.5)


def test_a_count_is_whole() -> None:
    with pytest.raises(ConfigError, match=r"confirm_hits: expected 1.*, a whole number, got 2.5"):
        DeepSortSettings(confirm_hits=2.5)
    with pytest.raises(ConfigError, match=r"gallery_size: expected 1\.\.10000, a whole number"):
        DeepSortSettings(gallery_size=10**12)
