"""A short run of every target with a fixed seed; `benchmarks/fuzz.py` makes long ones."""

import json
import random
from pathlib import Path

import pytest

from tests.fuzz.engine import Campaign, Target, minimised, outcome
from tests.fuzz.mutators import mutate_json, mutate_text, mutate_zip
from tests.fuzz.targets import TARGETS
from tracker.errors import DataError

pytestmark = pytest.mark.slow


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of libraries, while they are imported
@pytest.mark.parametrize("name", TARGETS)
def test_short_run(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    campaign = Campaign(target, 1, tmp_path)
    campaign.run(executions=target.short_executions)
    assert [(find.problem, find.data[:1000]) for find in campaign.finds] == []
    assert campaign.executions >= target.short_executions


def _fragile(data: bytes, folder: Path) -> object:
    if b"13" in data:
        raise KeyError("unlucky")
    if b"x" in data:
        raise DataError("")
    if not data.isascii():
        raise DataError("expected ASCII")
    return len(data)


FRAGILE = Target("fragile", lambda: [b"rows 12\nand 14\n"], mutate_text, _fragile)


@pytest.mark.parametrize(
    ("data", "problem"),
    [(b"1", ""), (b"\xff", ""), (b"a13", "KeyError: 'unlucky'"), (b"x", "expected one line")],
)
def test_what_counts_as_a_find(data: bytes, problem: str, tmp_path: Path) -> None:
    found, _, is_refused = outcome(FRAGILE, data, tmp_path)
    assert problem in found
    assert bool(found) == bool(problem)
    assert is_refused == (data in {b"\xff", b"x"})


def test_a_find_is_reached_reduced_and_repeatable(tmp_path: Path) -> None:
    runs = []
    for _ in range(2):
        campaign = Campaign(FRAGILE, 3, tmp_path)
        campaign.run(executions=20_000)
        runs.append([(find.execution, find.data) for find in campaign.finds])
    assert runs[0] == runs[1]
    assert {b"13", b"x"} <= {data for _, data in runs[0]}


def test_a_scene_is_reduced_to_the_frame_and_the_row_that_fail() -> None:
    frames = [{"rows": [[n, k] for k in range(6)]} for n in range(9)]
    data = json.dumps({"frames": frames}).encode()

    def fails(other: bytes) -> bool:
        return any([4, 2] in frame["rows"] for frame in json.loads(other)["frames"])

    small = json.loads(minimised(data, fails, is_scene=True))
    assert small == {"frames": [{"rows": [[4, 2]]}]}


@pytest.mark.parametrize("mutate", [mutate_text, mutate_json, mutate_zip])
def test_mutations_follow_the_seed_alone(mutate) -> None:
    data = b'{"a": [1, 2.5, {"b": null}], "c": "text"}'
    first = [mutate(random.Random(n), data) for n in range(300)]
    assert first == [mutate(random.Random(n), data) for n in range(300)]
    assert len(set(first)) > 60
