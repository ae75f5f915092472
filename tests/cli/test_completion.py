"""Completion of command lines by shells, as Typer does it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli import call


def completions(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    words = line.split(" ")
    monkeypatch.setenv("_TRACKER_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    assert call() == 0
    output = capsys.readouterr()
    assert output.err == ""
    return output.out.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tracker ref", ["refine"]),
        ("tracker models p", ["pull"]),
        ("tracker run in.mp4 --lab", ["--labels"]),
        ("tracker run in.mp4 --labels ", ["none", "id", "class", "full"]),
        ("tracker run in.mp4 --runtime lit", ["litert"]),
        ("tracker run in.mp4 --json ", []),  # then the shell completes names of files
        ("tracker nonsense --x", []),
    ],
)
def test_words_are_completed(
    line: str,
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert completions(line, monkeypatch, capsys) == expected


def test_zsh_and_fish_get_words_with_their_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "tracker ref")
    monkeypatch.setenv("_TRACKER_COMPLETE", "complete_zsh")
    assert call() == 0
    assert '"refine":"Improve recorded tracks' in capsys.readouterr().out
    monkeypatch.setenv("_TRACKER_COMPLETE", "complete_fish")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    assert call() == 0
    assert capsys.readouterr().out.startswith("refine\tImprove recorded tracks")


@pytest.mark.parametrize(
    ("shell", "place"),
    [
        ("bash", ".bash_completions/tracker.sh"),
        ("zsh", ".zfunc/_tracker"),
        ("fish", ".config/fish/completions/tracker.fish"),
    ],
)
def test_completion_is_installed_for_the_shell_that_asks(
    shell: str, place: str, tmp_path: Path
) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"needs {shell}")
    command = f"'{sys.executable}' -m tracker --install-completion; exit"
    done = subprocess.run(
        [program, "-c", command], capture_output=True, text=True, check=False,
        env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert f"{shell} completion installed" in done.stdout, done.stderr
    assert f"_TRACKER_COMPLETE=complete_{shell}" in (tmp_path / place).read_text()
    if shell == "bash":
        listed = subprocess.run(
            [program, "--norc", "-ec", 'source "$HOME/.bashrc"; complete -p tracker'],
            capture_output=True, text=True, check=True, env={**os.environ, "HOME": str(tmp_path)},
        )  # fmt: skip
        assert listed.stdout == "complete -o default -F _tracker_completion tracker\n"
