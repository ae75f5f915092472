"""Help in groups: every option is shown once, and the long commands have no long list."""

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from tests.cli import call
from tracker.cli.help_groups import COMMAND_GROUPS, OPTION_GROUPS, GroupedCommand, option_groups
from tracker.cli.main import app

COMMON = {"--config", "--set", "--seed", "--no-progress", "--help"}


def commands(group: Any = None, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in (group or get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path}{name} ")
        else:
            yield path + name, command


def groups_of(path: str, command: Any) -> dict[str, list[str]]:
    context = command.context_class(command, info_name=f"tracker {path}")
    return {
        heading: [names for names, _ in rows] for heading, rows in option_groups(command, context)
    }


@pytest.mark.parametrize(("path", "command"), [*commands()], ids=lambda value: str(value)[:20])
def test_every_option_is_in_one_group(path: str, command: Any) -> None:
    assert isinstance(command, GroupedCommand)
    shown = [names for rows in groups_of(path, command).values() for names in rows]
    assert len(shown) == len(command.params) + 1  # and --help


@pytest.mark.parametrize("path", [*OPTION_GROUPS])
def test_long_commands_leave_only_common_options_without_a_group(path: str) -> None:
    groups = groups_of(path, dict(commands())[path])
    others = {name.partition(" ")[0] for name in groups["Options"]}
    assert others - {"-h,"} <= COMMON
    assert len(groups) >= 4


def test_the_headings_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "--help") == 0
    text = capsys.readouterr().out
    headings = [line for line in text.splitlines() if line.endswith(":") and line[0] != " "]
    assert headings == [
        *("Arguments:", "Source:", "Output:", "Drawing:", "Detection:", "Tracking:", "Options:")
    ]


def test_every_command_has_a_heading(capsys: pytest.CaptureFixture[str]) -> None:
    listed = {name for names in COMMAND_GROUPS.values() for name in names}
    assert set(get_command(app).commands) <= listed  # type: ignore[attr-defined]
    assert call("--help") == 0
    text = capsys.readouterr().out
    assert "Commands for recorded tracks:\n  eval " in text


def test_a_group_of_commands_lists_them_under_one_heading(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call("train") == 0
    text = capsys.readouterr().out
    assert "Commands:\n  detector " in text
    assert "  crops " in text


@pytest.mark.parametrize("words", [("--help",), ("train",), ("models",), ("config",)])
def test_no_command_is_described_by_half_a_sentence(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert call(*words) == 0
    listed = capsys.readouterr().out.partition("\nCommands")[2]
    assert listed
    assert "..." not in listed
