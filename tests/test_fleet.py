"""`benchmarks/fleet.py`: times that follow by hand, and what losses and pieces change."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = str(Path(__file__).parents[1] / "benchmarks")


@pytest.fixture(scope="module")
def module() -> Iterator[ModuleType]:
    sys.path.insert(0, BENCHMARKS)
    yield importlib.import_module("fleet")
    sys.path.remove(BENCHMARKS)
    sys.modules.pop("fleet", None)


@pytest.fixture
def equal(module: ModuleType) -> Any:
    """Four videos of one hour that take an hour each; nothing is lost or copied."""
    quiet = {"lost_per_h": 0.0, "load_s": 0.0, "mbit": 0.0, "spread": 0.0}
    return module.Fleet(hours=4, mean_h=1, fps=25.0, frame_s=0.04, workers=1, **quiet)


@pytest.mark.parametrize(("workers", "hours"), [(1, 4.0), (2, 2.0), (3, 2.0), (4, 1.0), (9, 1.0)])
def test_equal_videos(module: ModuleType, equal: Any, workers: int, hours: float) -> None:
    result = module.simulate(replace(equal, workers=workers))
    assert result.hours == pytest.approx(hours)
    assert result.worker_hours == pytest.approx(workers * hours)
    assert result.useful_share == pytest.approx(4 / (workers * hours))
    assert (result.jobs, result.lost, result.redone_h) == (4, 0, 0)


def test_models_and_copies_take_time(module: ModuleType, equal: Any) -> None:
    loaded = module.simulate(replace(equal, load_s=36.0))
    assert loaded.hours == pytest.approx(4.01)
    # 4 Mbit for each second of video at 0.5 Gbit/s: 28.8 s an hour of video.
    copied = module.simulate(replace(equal, mbit=4.0))
    assert copied.hours == pytest.approx(4 + 4 * 28.8 / 3600)
    assert copied.store_share == pytest.approx(4 * 3600 * 4e6 / (copied.hours * 3600) / 100e9)


def test_a_loss_costs_the_time_since_the_checkpoint_and_a_machine(
    module: ModuleType, equal: Any
) -> None:
    result = module.simulate(replace(equal, lost_per_h=1.0, checkpoint_s=10.0, boot_s=60.0))
    assert result.lost > 0
    assert 0 < result.redone_h <= result.lost * 10 / 3600
    waited_h = result.lost * 60 / 3600
    assert result.hours == pytest.approx(4 + result.redone_h + waited_h)
    assert result == module.simulate(replace(equal, lost_per_h=1.0, boot_s=60.0))


def test_pieces_end_the_wait_for_the_longest_video(module: ModuleType, equal: Any) -> None:
    uneven = replace(equal, hours=200, spread=1.0, workers=50)
    whole, first, split = (
        module.simulate(fleet)
        for fleet in (
            uneven,
            replace(uneven, longest_first=True),
            replace(uneven, split_s=600.0),
        )
    )
    assert split.hours < first.hours <= whole.hours
    assert split.useful_share > 0.9
    assert split.jobs > whole.jobs == 200


def test_the_table_has_a_row_for_each_case(module: ModuleType, equal: Any) -> None:
    lines = module.table(replace(equal, hours=20, workers=4), 0.05)
    assert len(lines) == 2 + 8
    assert {line.count("|") for line in lines} == {10}
