"""The commands of the program by name; the module of a command is imported when it is asked for.

A run needs one command of many: importing all of them and building their options takes longer than
the help of the program is worth (docs/performance.md, section Start-up).
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.main import get_group

from tracker.cli.parsing import Commands

MODULES = {
    "run": "tracker.cli.run.command",
    "cameras": "tracker.cli.run.command",
    "batch": "tracker.cli.batch.command",
    "serve": "tracker.cli.serve",
    "eval": "tracker.cli.tools",
    "eval-detector": "tracker.cli.tools",
    "refine": "tracker.cli.tools",
    "link": "tracker.cli.tools",
    "convert": "tracker.cli.recording_tools",
    "draw": "tracker.cli.recording_tools",
    "plot": "tracker.cli.recording_tools",
    "analyze": "tracker.cli.analytics_commands",
    "zones": "tracker.cli.analytics_commands",
    "export": "tracker.cli.tools",
    "bench": "tracker.cli.tools",
    "doctor": "tracker.cli.doctor",
    "train": "tracker.cli.train.options",
    "models": "tracker.cli.models.command",
    "config": "tracker.cli.config_commands",
}
"""Module by command; its `add_commands` adds this command and the others of the module."""


class CommandTable(Mapping[str, Any]):
    """Commands by name, each built from its module on first use.

    Args:
        modules: Module by command, in the order of the commands.
    """

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = dict(modules)
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        module = self._modules[name]
        if name not in self._built:
            self._built |= _commands_of(module)
        return self._built[name]

    def __contains__(self, name: object) -> bool:
        return name in self._modules  # that of `Mapping` would build the command

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


class Program(Commands):
    """The group of all commands of the program."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = CommandTable(MODULES)  # type: ignore[assignment]  # Typer only reads it


def _commands_of(module: str) -> Mapping[str, Any]:
    """Returns the commands of a module by name."""
    part = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    import_module(module).add_commands(part)
    return get_group(part).commands
