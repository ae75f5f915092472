"""Runs each check in a process of its own, which a library may crash or block."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tracker.doctor.check import Check, Status

_PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from tracker.doctor.isolated import answer; answer(sys.argv[2], sys.argv[3:])"
)


@dataclass(frozen=True, slots=True)
class Examination:
    """A function that checks something, and what it means if it gives no result.

    Attributes:
        name: What it checks.
        function: `module:function`; its arguments are strings, and it returns an iterable of
            `Check`.
        mend: What to do if it raises, crashes or does not end.
        arguments: Its arguments.
        status: Status if it raises, crashes or does not end.
        timeout_s: Seconds after which it is ended.
    """

    name: str
    function: str
    mend: str
    arguments: tuple[str, ...] = ()
    status: Status = Status.FAILURE
    timeout_s: float = 60.0


def examine(
    examination: Examination, environment: Mapping[str, str] | None = None
) -> tuple[Check, ...]:
    """Returns the results of a function that is run in another process, at least one.

    Args:
        examination: The function.
        environment: Environment variables of the process; `None` for those of this one.
    """
    # -P: a file in the current folder that is named like a library is not imported.
    parent = str(Path(__file__).parents[2])
    words = [sys.executable, "-P", "-c", _PROGRAM, parent, examination.function]
    try:
        done = subprocess.run(
            [*words, *examination.arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=examination.timeout_s,
            env=None if environment is None else dict(environment),
            check=False,
        )
    except subprocess.TimeoutExpired:
        detail = f"no answer within {examination.timeout_s:g} s"
        mend = f"Try again when the machine is less busy; if that does not help: {examination.mend}"
        return (Check(examination.name, examination.status, detail, mend),)
    except OSError as error:
        return (_without_result(examination, f"cannot start Python: {error.strerror or error}"),)
    if done.returncode == 0:
        return _checks(examination, json.loads(done.stdout))
    if done.returncode < 0:
        return (_without_result(examination, f"crashed: {_signal_name(-done.returncode)}"),)
    errors = done.stderr.decode(errors="replace").split("\n")
    last = next((line for line in reversed(errors) if line.strip()), "no message")
    return (_without_result(examination, f"ended with code {done.returncode}: {last}"),)


def answer(function: str, arguments: Iterable[str]) -> None:
    """Calls a function and writes its results to standard output as JSON.

    Whatever libraries print goes to standard error.

    Args:
        function: `module:function`.
        arguments: Its arguments.
    """
    results = os.dup(1)
    os.dup2(2, 1)
    module, _, name = function.partition(":")
    try:
        check: Callable[..., Iterable[Check]] = getattr(import_module(module), name)
        record: object = [found.to_json() for found in check(*arguments)]
    except Exception as error:
        record = f"{type(error).__name__}: {error}"
    with os.fdopen(results, "w", encoding="utf-8") as file:
        json.dump(record, file)


def _checks(examination: Examination, record: list[dict[str, object]] | str) -> tuple[Check, ...]:
    if isinstance(record, str):
        return (_without_result(examination, record),)
    return tuple(Check.from_json(found) for found in record)


def _without_result(examination: Examination, detail: str) -> Check:
    return Check(examination.name, examination.status, detail, examination.mend)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
