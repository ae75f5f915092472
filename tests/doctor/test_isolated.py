"""A check that raises, crashes or hangs gives one line, and the doctor goes on."""

import os
from pathlib import Path

import pytest

from tracker.doctor.check import Check, Status
from tracker.doctor.isolated import Examination, examine

ROOT = Path(__file__).parents[2]


def examined(
    function: str, *words: str, timeout_s: float = 60, status: Status = Status.FAILURE
) -> tuple[Check, ...]:
    examination = Examination(
        "subject", f"tests.doctor.examined:{function}", "Mend it.", words, status, timeout_s
    )
    return examine(examination, {**os.environ, "PYTHONPATH": str(ROOT)})


def test_results_come_back_and_what_libraries_print_does_not() -> None:
    assert examined("fine", "a", "b") == (
        Check("a", Status.OK, "fine"),
        Check("b", Status.OK, "fine"),
    )


@pytest.mark.parametrize(
    ("function", "detail"),
    [
        ("raising", "ValueError: no such thing"),
        ("crashed", "crashed: SIGSEGV"),
        ("ended", "ended with code 3: no message"),
        ("unknown", "AttributeError: module 'tests.doctor.examined' has no attribute 'unknown'"),
    ],
)
def test_no_result_is_a_failure_with_its_reason(function: str, detail: str) -> None:
    assert examined(function) == (Check("subject", Status.FAILURE, detail, "Mend it."),)


@pytest.mark.slow
def test_what_hangs_is_ended() -> None:
    (check,) = examined("endless", timeout_s=1, status=Status.WARNING)
    assert (check.status, check.detail) == (Status.WARNING, "no answer within 1 s")
    assert check.mend.endswith("less busy; if that does not help: Mend it.")


def test_files_of_the_current_folder_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(9)", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert examined("fine", "a")[0].status is Status.OK
