"""The commands `tracker train ...`: words to a request.

Comes in: options. Goes out: a call of the work. Nothing heavy is loaded before a command runs.
"""

from pathlib import Path
from typing import Annotated

import typer

from tracker.errors import ConfigError

train_app = typer.Typer(
    help="Train models on your own data.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@train_app.callback(invoke_without_command=True)
def _common(context: typer.Context) -> None:
    """Train models on your own data."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


@train_app.command("detector")
def train_detector(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    out: Annotated[
        str, typer.Option(help="Folder of the results; the same command goes on after a stop.")
    ],
    data: Annotated[
        str | None,
        typer.Option(help="YAML with path, train, val, names: YOLO labels or COCO JSON."),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Classes to learn: person,car. [all in the data]")
    ] = None,
    val_share: Annotated[
        float | None, typer.Option(help="Where there is no val: share held out of train. [0.1]")
    ] = None,
    size: Annotated[str | None, typer.Option(help="nano or small. [nano]")] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="Start from this .keras detector of the same size, or none. [none]"),
    ] = None,
    freeze_epochs: Annotated[
        int | None, typer.Option(help="With --weights: keep the backbone in the first epochs. [0]")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Length of the training. [100]")] = None,
    imgsz: Annotated[int | None, typer.Option(help="Side of the pictures, px. [320]")] = None,
    batch: Annotated[int | None, typer.Option(help="Pictures in a step. [16]")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many validations without gain. [never]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all random draws. [0]")] = None,
    config: Annotated[
        str | None,
        typer.Option(help="YAML that overrides defaults, see configs/train-detector.yaml."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override one key: training.learning_rate=0.001."),
    ] = None,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False,
) -> None:
    """Train a detector on labelled pictures; write best.keras, its scores and its card."""
    from tracker.train_config import load_train_config
    from tracker.train_detector_command import DetectorTrainRequest, run_train_detector

    options = {
        "data.file": data,
        "data.classes": _words(classes),
        "data.val_share": val_share,
        "network.size": size,
        "network.weights": None if weights == "none" else weights,
        "network.input_size": imgsz,
        "batches.batch": batch,
        "training.freeze_epochs": freeze_epochs,
        "training.epochs": epochs,
        "training.patience": patience,
        "seed": seed,
    }
    overrides = [*(["network.weights=null"] if weights == "none" else []), *(set_ or ())]
    settings = load_train_config(config, overrides, options)
    run_train_detector(DetectorTrainRequest(settings, Path(out), progress=not no_progress))


@train_app.command("reid")
def train_reid(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    data: Annotated[
        str, typer.Option(help="Folder with one sub-folder of crops for each identity.")
    ],
    out: Annotated[
        str, typer.Option(help="Folder of the results; the same command goes on after a stop.")
    ],
    weights: Annotated[
        str, typer.Option(help="Start from this .keras appearance network, or none.")
    ] = "none",
    val_share: Annotated[
        float, typer.Option(help="Share of the identities that are held out to judge by.")
    ] = 0.1,
    epochs: Annotated[int, typer.Option(help="Length of the training.")] = 40,
    batch: Annotated[int, typer.Option(help="Crops in a step, even.")] = 128,
    learning_rate: Annotated[float, typer.Option(help="The highest.")] = 2e-3,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without gain. [never]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all random draws.")] = 0,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False,
) -> None:
    """Train an appearance network on crops by identity; write best.keras and its card."""
    from tracker.train_reid_command import ReidTrainRequest, run_train_reid

    request = ReidTrainRequest(
        data=Path(data),
        out=Path(out),
        weights=None if weights == "none" else Path(weights),
        val_share=val_share,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        patience=patience,
        seed=seed,
        progress=not no_progress,
    )
    run_train_reid(request)


def _words(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    words = tuple(word.strip() for word in text.split(","))
    if not all(words):
        raise ConfigError(f"--classes {text!r}: expected names with commas between, as person,car")
    return words
