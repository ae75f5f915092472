"""The generated pages of the reference: commands, settings, Python."""

import dataclasses
import inspect
from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer.main

import tracker
from tracker.cli.help_groups import COMMAND_GROUPS, option_groups
from tracker.cli.main import app
from tracker.config.run import Config
from tracker.util.settings_schema import descriptions, entry_of, enum_of, fields_of


def command_page() -> str:
    """Returns a page with all commands and their options, from the help of the program."""
    root: Any = typer.main.get_command(app)
    context = root.context_class(root, info_name="tracker")
    names = [name for group in COMMAND_GROUPS.values() for name in group]
    order = sorted(root.commands, key=lambda n: names.index(n) if n in names else len(names))
    lines = [
        "# Commands",
        "",
        "Made from `tracker COMMAND --help`. Defaults are in square brackets. What belongs "
        "together, with examples: [Running](../run.md).",
        "",
    ]
    for name in order:
        lines += _command_lines(root.commands[name], name, context)
    return "\n".join(lines) + "\n"


def _command_lines(command: Any, name: str, parent: Any) -> Iterator[str]:
    context = command.context_class(command, info_name=name, parent=parent)
    path = context.command_path
    if hasattr(command, "commands"):
        for below in command.commands:
            yield from _command_lines(command.commands[below], below, context)
        return
    usage = command.get_usage(context).removeprefix("Usage: ")
    help_ = inspect.cleandoc(command.help or "")
    yield from (f"## {path}", "", _text(help_.partition("\n\n")[0]), "", "```text")
    yield from (" ".join(usage.split()), "```", "")
    for heading, rows in option_groups(command, context):
        yield from ("", f"| {heading.lower()} | |", "|---|---|")
        yield from (f"| `{option}` | {_text(text)} |" for option, text in rows)
    yield ""


def settings_page() -> str:
    """Returns a page with all settings of a run, from the docstrings of their classes."""
    lines = [
        "# Settings",
        "",
        "The keys of files for `--config`, and of `--set KEY=VALUE`; `tracker config explain KEY` "
        "shows the same. `tracker config schema` prints a schema by which editors complete them.",
        "",
        *_settings_lines(Config, ""),
    ]
    return "\n".join(lines) + "\n"


def _settings_lines(kind: type, prefix: str) -> Iterator[str]:
    """Yields a table of the values of a section, then the sections below it."""
    texts, hints = descriptions(kind), fields_of(kind)
    defaults = {field.name: _default(field) for field in dataclasses.fields(kind)}
    values = [name for name, hint in hints.items() if entry_of(hint) is None]
    if prefix:
        yield from (f"## {prefix.removesuffix('.')}", "")
    if values:
        yield from ("| key | default | meaning |", "|---|---|---|")
    for name in values:
        choices = enum_of(hints[name])
        words = " or ".join(f"`{choice.value}`" for choice in choices) if choices else ""
        meaning = _text(texts[name]) + (f" ({words})" if words else "")
        yield f"| `{prefix}{name}` | {defaults[name]} | {meaning} |"
    yield ""
    for name, hint in hints.items():
        below = entry_of(hint)
        if below is not None:
            yield from _settings_lines(below, f"{prefix}{name}.")


def _default(field: Any) -> str:
    value = field.default
    if value is dataclasses.MISSING:
        return "" if field.default_factory is not dataclasses.MISSING else "required"
    value = value.value if isinstance(value, Enum) else value
    value = list(value) if isinstance(value, tuple) else value
    words = {"None": "none", "True": "`true`", "False": "`false`"}
    return words.get(str(value), f"`{value}`")


def python_page() -> str:
    """Returns a page that names all public objects; mkdocstrings fills in their docstrings."""
    lines = [
        "# Python",
        "",
        "All public names, with examples in [how to use it](../python.md).",
        "",
    ]
    for name in sorted(tracker.__all__, key=str.lower):
        if not name.startswith("__"):
            lines += [f"::: {tracker._MODULES[name]}.{name}", ""]
    return "\n".join(lines)


def _text(text: str) -> str:
    """Returns text in a cell of a table, or a paragraph."""
    parts = " ".join(text.split()).split("`")
    # Even parts are text, odd ones code between backquotes.
    parts[::2] = [
        part.replace("\\", "\\\\").replace("<", "&lt;").replace("*", "\\*").replace("[", "\\[")
        for part in parts[::2]
    ]
    return "`".join(parts).replace("|", "\\|")
