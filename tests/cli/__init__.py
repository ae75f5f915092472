"""Runs commands in this process, as `tracker WORDS` does, and reads what they say."""

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
    """Returns the message of a command that has to fail by wrong use; it is the last line."""
    assert call(*words) == 2
    output = capsys.readouterr()
    assert output.out == ""
    last = output.err.splitlines()[-1]
    assert last.startswith("tracker: error: ")
    return last.removeprefix("tracker: error: ")


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Returns the objects of a file of JSON Lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
