"""When results count as those that were complete."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tracker.cli.batch.done_record import Complete, found_results, write_record
from tracker.cli.batch.jobs import Job, Wanted

IDENTITY = {"program": "0"}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job in `a/` with a complete recording of 3 MB."""
    job = Job("in.mp4", str(tmp_path / "a" / "in.mp4"))
    Path(job.stem).parent.mkdir()
    footer = json.dumps({"kind": "footer", "frames": 7, "ids": 2})
    Path(f"{job.stem}.jsonl").write_text("{}\n" * 2**20 + footer + "\n")
    write_record(job, Wanted(), IDENTITY)
    return job


def test_what_was_complete_is(job: Job) -> None:
    assert found_results(job, Wanted(), IDENTITY).complete == Complete(7, 2)
    assert found_results(job, Wanted(), {"program": "1"}).complete is None


def test_one_byte_in_the_middle_is_seen(job: Job) -> None:
    path = Path(f"{job.stem}.jsonl")
    with path.open("r+b") as file:
        file.seek(3 * 2**19)
        file.write(b"1")
    found = found_results(job, Wanted(), IDENTITY)
    assert (found.complete, found.damage) == (None, f"{path} was changed since it was complete")


def test_a_copy_of_another_age_is_complete(job: Job, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    copy = Job("in.mp4", str(tmp_path / "b" / "in.mp4"))
    os.utime(f"{copy.stem}.jsonl", (1, 1))
    assert found_results(copy, Wanted(), IDENTITY).complete == Complete(7, 2)


@pytest.mark.parametrize(
    ("was", "damage"),
    [
        (None, "was changed since"),
        ([], "was changed since"),
        ({}, "was changed since"),
        ({"bytes": True}, "was complete with True bytes"),
    ],
)
def test_a_record_of_another_form_is_not_believed(job: Job, was: object, damage: str) -> None:
    record = json.loads(Path(job.record).read_bytes())
    record["files"][".jsonl"] = was
    Path(job.record).write_text(json.dumps(record))
    assert damage in found_results(job, Wanted(), IDENTITY).damage
