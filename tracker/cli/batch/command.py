"""The command `batch`; nothing heavy is imported before it runs."""

from enum import StrEnum
from typing import Annotated

import typer

from tracker.cli.help_groups import GroupedCommand
from tracker.cli.options import (
    ClassFilter,
    ClassNames,
    Confidence,
    ConfigFile,
    DetectEvery,
    Device,
    InputSize,
    NoProgress,
    Overrides,
    Runtime,
    Slices,
    ZonesFile,
)


class EngineName(StrEnum):
    """What runs the videos."""

    LOCAL = "local"
    RAY = "ray"


def add_commands(app: typer.Typer) -> None:
    """Adds the command of this module to the program."""
    app.command(cls=GroupedCommand)(batch)


def batch(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    videos: Annotated[
        list[str],
        typer.Argument(help="Video files, folders of them, or patterns: 'videos/**/*.mp4'."),
    ],
    out: Annotated[str, typer.Option(help="Folder of the results.")] = "results",
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes, each with a copy of the model. [one for each core; Ray: as many as "
            "fit the cluster]",
            min=1,
            max=10_000,
        ),
    ] = None,
    engine: Annotated[
        EngineName,
        typer.Option(help="Processes on this machine, or a Ray cluster (docs/batch.md)."),
    ] = EngineName.LOCAL,
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="Ray: auto or HOST:PORT of a cluster. [that of this machine, else a new one]"
        ),
    ] = None,
    cpus_per_worker: Annotated[float | None, typer.Option(help="Ray: processors. [1]")] = None,
    gpus_per_worker: Annotated[
        float | None, typer.Option(help="Ray: GPUs, or a share of one. [0]")
    ] = None,
    memory_per_worker: Annotated[
        float | None, typer.Option(help="Ray: GB of memory to ask for. [not asked for]")
    ] = None,
    video: Annotated[
        bool, typer.Option("--video", help="Also an annotated video of each: NAME.tracks.mp4.")
    ] = False,
    table: Annotated[
        bool,
        typer.Option("--table/--no-table", help="Write results.parquet, of all tracks."),
    ] = True,
    zones: ZonesFile = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Split longer videos into pieces of so much, and join their tracks: 10m. [off]"
        ),
    ] = None,
    detector: Annotated[str | None, typer.Option(help="As in tracker run. [small]")] = None,
    weights: Annotated[str | None, typer.Option(help="As in tracker run.")] = None,
    names: ClassNames = None,
    classes: ClassFilter = None,
    embedder: Annotated[str | None, typer.Option(help="As in tracker run. [auto]")] = None,
    conf: Confidence = None,
    imgsz: InputSize = None,
    slices: Slices = None,
    device: Device = None,
    runtime: Runtime = None,
    detect_every: DetectEvery = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    no_progress: NoProgress = False,
) -> None:
    """Track the objects of many videos in parallel; run it again to continue or to add videos.

    The results of each are JSON Lines, with --zones also a table of events. Complete results of the
    same video, configuration and models are skipped; a video that was interrupted continues.
    """
    from tracker.cli.batch.jobs import Wanted, check_results_folder, jobs_of
    from tracker.cli.batch.pieces import check_splittable, split_seconds
    from tracker.cli.batch.run import BatchRequest, run_batch
    from tracker.cli.batch.workers import ray_options
    from tracker.cli.run.configuration import run_config
    from tracker.inference.litert import available_cores

    check_results_folder(out)
    jobs = jobs_of(videos, out, None if split is None else split_seconds(split))
    options = {
        "zones": zones,
        "detector": detector,
        "weights": weights,
        "names": names,
        "classes": classes,
        "embedder": embedder,
        "conf": conf,
        "imgsz": imgsz,
        "slices": slices,
        "device": device,
        "runtime": runtime,
        "detect_every": detect_every,
    }
    settings = run_config(config, set_ or (), options)
    if split is not None:
        check_splittable(settings, video=video)
    most = workers or available_cores()
    count = most if split is not None else min(most, len(jobs))
    wanted = Wanted(video=video, events=not settings.analytics.is_empty)
    given = {
        "address": ray_address,
        "workers": workers,
        "cpus": cpus_per_worker,
        "gpus": gpus_per_worker,
        "memory_gb": memory_per_worker,
    }
    ray = ray_options(given, settings, is_ray=engine is EngineName.RAY)
    request = BatchRequest(jobs, settings, out, wanted, count, ray, not no_progress, table)
    raise typer.Exit(run_batch(request))
