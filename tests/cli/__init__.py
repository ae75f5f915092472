"""Runs `tracker` commands in this process and reads their output."""

import json
from pathlib import Path
from typing import Any

import pytest

from tracker.cli.main import main


def call(*words: object) -> int:
    """Returns the exit code of a command."""
    with pytest.raises(SystemExit) as done:
        main([str(word) for word in words])
    return int(done.value.code or 0)


def failure(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Returns the error message, the last line, of a command that must fail with exit code 2."""
    assert call(*words) == 2
    output = capsys.readouterr()
    assert output.out == ""
    last = output.err.splitlines()[-1]
    assert last.startswith("tracker: error: ")
    return last.removeprefix("tracker: error: ")


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Returns the objects in a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
