"""The commands `tracker models ...`; Keras and TensorFlow are not imported at start-up."""

from pathlib import Path
from typing import Annotated

import typer

from tracker.cli.help_groups import GroupedCommand
from tracker.cli.parsing import command_group
from tracker.util.terminal import print_results

models_app = command_group("List, describe and download models by name.")


def add_commands(app: typer.Typer) -> None:
    """Adds the commands of this module to the program, as a group."""
    app.add_typer(models_app, name="models")


RegistryOption = Annotated[
    str | None,
    typer.Option("--registry", help="Another list of models, see configs/models.yaml."),
]
CacheOption = Annotated[
    str | None, typer.Option("--cache-dir", help="Folder of the cache. [the platform's]")
]


@models_app.command("list", cls=GroupedCommand)
def list_models(registry: RegistryOption = None, cache_dir: CacheOption = None) -> None:
    """List the models of this package and those that can be downloaded."""
    from tracker.cli.models.report import table_of_models
    from tracker.registry.models import read_registry

    for line in table_of_models(read_registry(_optional_path(registry)), _optional_path(cache_dir)):
        print_results(line)


@models_app.command(cls=GroupedCommand)
def info(
    model: Annotated[str, typer.Argument(help="A name from the list, or the path of a file.")],
    registry: RegistryOption = None,
    cache_dir: CacheOption = None,
) -> None:
    """Describe a model of the list, or a file."""
    from tracker.cli.models.report import facts_of
    from tracker.registry.models import read_registry

    for line in facts_of(model, read_registry(_optional_path(registry)), _optional_path(cache_dir)):
        print_results(line)


@models_app.command(cls=GroupedCommand)
def pull(
    name: Annotated[str, typer.Argument(help="A name from the list.")],
    registry: RegistryOption = None,
    cache_dir: CacheOption = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Make no connection: check the cached files.")
    ] = False,
    no_progress: Annotated[
        bool, typer.Option("--no-progress", help="Show no progress bar.")
    ] = False,
) -> None:
    """Download a model into the cache and print the paths of its files.

    An interrupted download is resumed. Files whose SHA-256 differs from the published one are
    refused.
    """
    from tracker.registry.models import read_registry, resolve

    known = read_registry(_optional_path(registry))
    if offline:
        resolved = resolve(name, registry=known, cache_dir=_optional_path(cache_dir))
    else:
        from tracker.registry.download import pull as download
        from tracker.util.progress_bar import WorkBar

        entry = known.find(name)
        done = f"{{task.percentage:3.0f}} % of {entry.size / 1e6:.1f} MB"
        with WorkBar(done, entry.name, total=entry.size, shown=not no_progress) as bar:
            resolved = download(entry, bar, cache_dir=_optional_path(cache_dir))
    for path in resolved.paths:
        print_results(str(path))


def _optional_path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
