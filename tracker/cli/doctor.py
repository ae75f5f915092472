"""`tracker doctor`: what works on this machine, and what to do about what does not."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import typer

from tracker.cli.help_groups import GroupedCommand
from tracker.doctor.check import Check, Status
from tracker.doctor.examinations import EXAMINATIONS
from tracker.doctor.isolated import Examination, examine
from tracker.util.terminal import print_results, print_status, print_table, write_stdout
from tracker.version import PROGRAM

SCHEMA = "tracker-doctor/1"
"""Name and version of the JSON format."""

_WIDTHS = (7, 19)
_STYLES = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILURE: "bold red"}


def add_commands(app: typer.Typer) -> None:
    """Adds the command of this module to the program."""
    app.command(cls=GroupedCommand)(doctor)


def doctor(
    json: Annotated[str | None, typer.Option(help="Results as JSON (- for stdout).")] = None,
) -> None:
    """Check what works on this machine: libraries, GPU, codecs, cameras, display, networks."""
    raise typer.Exit(run_doctor(json))


def run_doctor(
    json_path: str | None,
    examinations: Iterable[Examination] = EXAMINATIONS,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Prints the result of each check once it is there, and writes all as JSON.

    Args:
        json_path: Where to write, "-" for stdout, which moves the report to stderr; `None` for
            nowhere.
        examinations: What to check.
        environment: Environment variables for the checks; `None` for those of this process.

    Returns:
        1 if anything failed that `tracker run` needs, else 0.

    Raises:
        OutputError: The JSON cannot be written.
    """
    from tracker.sinks.output_file import STDOUT
    from tracker.sinks.place import check_writable

    is_stdout = json_path == STDOUT
    if json_path is not None and not is_stdout:
        check_writable(json_path)
    checks: list[Check] = []
    for examination in examinations:
        for check in examine(examination, environment):
            print_table(_row(check), stderr=is_stdout)
            checks.append(check)
    print_lines: Callable[..., None] = print_status if is_stdout else print_results
    print_lines("", conclusion(checks))
    if json_path is not None:
        _write_json(json_path, checks)
    return int(_worst(checks) is Status.FAILURE)


def conclusion(checks: Iterable[Check]) -> str:
    """Returns one line: whether `tracker run` works, and how many warnings there are."""
    states = [check.status for check in checks]
    failures, warnings = states.count(Status.FAILURE), states.count(Status.WARNING)
    if failures:
        return f"tracker run does not work here: {_count(failures, 'failure')}"
    if warnings:
        return f"tracker run works here; {_count(warnings, 'warning')} about what it can do without"
    return "everything works here"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _worst(checks: Iterable[Check]) -> Status:
    order = list(Status)
    return max((check.status for check in checks), key=order.index, default=Status.OK)


def _row(check: Check) -> Any:
    """Returns a line of the report, with what to do below the detail."""
    from rich.table import Table
    from rich.text import Text

    row = Table.grid(padding=(0, 1))
    for width in _WIDTHS:
        row.add_column(width=width)
    row.add_column()
    shown = Text(check.status.value, style=_STYLES[check.status])
    row.add_row(shown, Text(check.name), Text(check.detail))
    if check.mend:
        row.add_row("", "", Text(f"-> {check.mend}", style="bold"))
    return row


def _write_json(path: str, checks: Iterable[Check]) -> None:
    from pathlib import Path

    from tracker.sinks.output_file import STDOUT
    from tracker.util.atomic_file import make_parent, replace_text

    checks = list(checks)
    record = {
        "schema": SCHEMA,
        "program": PROGRAM,
        "status": _worst(checks).value,
        "checks": [check.to_json() for check in checks],
    }
    text = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
    if path == STDOUT:
        write_stdout(text)
    else:
        make_parent(Path(path))
        replace_text(Path(path), text)
