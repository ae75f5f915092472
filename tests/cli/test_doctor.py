"""`tracker doctor`: the report, the JSON, and the exit code."""

import json
import os
from pathlib import Path

import pytest

from tests.cli import call, failure
from tracker.cli.doctor import conclusion, run_doctor
from tracker.doctor.check import Status, ok, warning
from tracker.doctor.check import failure as failed
from tracker.doctor.examinations import EXAMINATIONS
from tracker.registry.builtin import DETECTORS

FEW = [one for one in EXAMINATIONS if one.name in {"Python", "PyAV", "cameras"}]


def test_report_and_json_of_this_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "doctor.json"
    assert run_doctor(str(out), FEW) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["ok", "Python"]
    assert all(len(line) <= 80 for line in lines)
    assert "works here" in lines[-1]
    record = json.loads(out.read_text(encoding="utf-8"))
    assert record["schema"] == "tracker-doctor/1"
    assert record["checks"][1]["name"] == "PyAV"
    assert set(record["checks"][0]) == {"name", "status", "detail", "mend", "milliseconds"}


def test_a_broken_library_is_a_failure_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "av.py").write_text("raise ImportError('broken on purpose')", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert run_doctor("-", FEW[1:2], environment) == 1
    output = capsys.readouterr()
    record = json.loads(output.out)
    assert record["status"] == "failure"
    assert record["checks"][0]["detail"] == "ImportError: broken on purpose"
    assert output.err.splitlines()[-1] == "tracker run does not work here: 1 failure"


def test_the_conclusion() -> None:
    fine, odd, bad = ok("a", "b"), warning("c", "d", "e"), failed("f", "g", "h")
    assert conclusion([fine]) == "everything works here"
    assert conclusion([fine, odd, odd]).startswith("tracker run works here; 2 warnings")
    assert conclusion([bad, odd, bad]) == "tracker run does not work here: 2 failures"


def test_a_path_that_cannot_be_written_is_refused_before_the_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "it is a directory" in failure(capsys, "doctor", "--json", tmp_path)


@pytest.mark.slow
def test_all_checks_on_this_machine(tmp_path: Path) -> None:
    out = tmp_path / "doctor.json"
    assert call("doctor", "--json", out) == 0
    checks = json.loads(out.read_text(encoding="utf-8"))["checks"]
    states = {check["name"]: check["status"] for check in checks}
    ours = [*(f"detector {name}" for name in DETECTORS), "appearance network", "segmenter"]
    for name in ["Python", "LiteRT", "OpenCV", "PyAV", "video libx264", "sound aac", *ours]:
        assert states[name] == Status.OK.value, name
    assert {"packages", "current folder", "cache", "TensorFlow", "display"} <= set(states)
