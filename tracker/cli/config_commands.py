"""The commands `tracker config ...`; nothing heavy is imported before one runs."""

from typing import Annotated

import typer

from tracker.cli.help_groups import GroupedCommand
from tracker.cli.options import ConfigFile, Overrides
from tracker.cli.parsing import command_group
from tracker.util.terminal import print_results

config_app = command_group("Show, explain and describe the settings of a run.")


def add_commands(app: typer.Typer) -> None:
    """Adds the commands of this module to the program, as a group."""
    app.add_typer(config_app, name="config")


def _matching_keys(incomplete: str) -> list[str]:
    from tracker.config.describe import setting_keys

    return [key for key in setting_keys() if key.startswith(incomplete)]


@config_app.command(cls=GroupedCommand)
def show(
    config: ConfigFile = None,
    set_: Overrides = None,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only what differs from the defaults.")
    ] = False,
) -> None:
    """Show the effective configuration as YAML, with the origin of what is no default."""
    from tracker.config.describe import config_lines

    print_results(*config_lines(config, set_ or (), only_changed=changed))


@config_app.command(cls=GroupedCommand)
def schema() -> None:
    """Print the JSON Schema of configuration files, for editors."""
    import json

    from tracker.config.describe import config_schema

    print_results(*json.dumps(config_schema(), indent=2, ensure_ascii=False).splitlines())


@config_app.command(cls=GroupedCommand)
def explain(
    key: Annotated[
        str | None,
        typer.Argument(
            help="A key such as tracking.max_age_s, or a section. [all sections]",
            autocompletion=_matching_keys,
        ),
    ] = None,
) -> None:
    """Explain one key: its meaning, values and default, or the keys below it."""
    from tracker.config.describe import explained

    print_results(*explained(key))
