"""The commands of the program are built from their modules, each on first use."""

import subprocess
import sys
from importlib import import_module

import pytest
import typer
from typer.main import get_group

from tracker.cli.command_table import MODULES, CommandTable


def test_a_table_knows_names_without_building_commands() -> None:
    table = CommandTable({"first": "no.such.module", "second": "another.module"})
    assert list(table) == ["first", "second"]
    assert len(table) == 2
    assert "second" in table
    assert "third" not in table


def test_an_unknown_name_has_no_command() -> None:
    assert CommandTable(MODULES).get("walk") is None


def test_a_command_is_built_once() -> None:
    table = CommandTable(MODULES)
    assert table["run"] is table["run"]
    assert table["run"].name == "run"


@pytest.mark.parametrize("module", sorted(set(MODULES.values())))
def test_every_command_of_a_module_is_in_the_table(module: str) -> None:
    part = typer.Typer()
    import_module(module).add_commands(part)
    assert set(get_group(part).commands) == {
        name for name, home in MODULES.items() if home == module
    }


@pytest.mark.parametrize(
    ("words", "loaded"),
    [
        (["--version"], []),
        (["run", "--help"], ["tracker.cli.run.command"]),
        (["eval", "--help"], ["tracker.cli.tools"]),
        (["nothing"], []),
    ],
)
def test_a_command_line_loads_the_module_of_its_command_alone(
    words: list[str], loaded: list[str]
) -> None:
    program = (
        "import sys\nfrom tracker.cli.main import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        f"print(sorted({set(MODULES.values())!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == str(loaded)
