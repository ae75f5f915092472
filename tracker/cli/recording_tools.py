"""The commands that turn recorded tracks into something else: `convert`, `draw` and `plot`."""

from typing import Annotated

import typer

from tracker.cli.help_groups import GroupedCommand
from tracker.cli.options import (
    Blur,
    BlurIds,
    BoxLines,
    ColorOf,
    ConfigFile,
    FontScale,
    LabelTexts,
    LineScale,
    MaxFrames,
    NoClobber,
    NoProgress,
    Overrides,
    StartTime,
    TrailSeconds,
    VideoEncoderName,
    VideoScale,
    ZonesFile,
)
from tracker.cli.parsing import size_of, words_of
from tracker.util.terminal import print_status


def add_commands(app: typer.Typer) -> None:
    """Adds the commands of this module to the program."""
    app.command(cls=GroupedCommand)(convert)
    app.command(cls=GroupedCommand)(draw)
    app.command(cls=GroupedCommand)(plot)


def convert(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    source: Annotated[
        str,
        typer.Argument(
            metavar="IN",
            help="Tracks: JSON, MOT, CSV, COCO, CVAT XML, Parquet, Label Studio, or a folder of "
            "YOLO labels; recognised by content.",
        ),
    ],
    output: Annotated[
        str,
        typer.Argument(
            metavar="OUT",
            help="Where to write: .jsonl, .json, .txt (MOT), .csv, .xml (CVAT), .parquet, or a "
            "folder (YOLO).",
        ),
    ],
    from_: Annotated[
        str | None, typer.Option("--from", help="Format of IN, see --to. [by its content]")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="Format of OUT: jsonl, json, mot, csv, coco, cvat, yolo, yolo-track, parquet, "
            "label-studio. [by its ending]"
        ),
    ] = None,
    video: Annotated[
        str | None,
        typer.Option("--source", help="The video: gives frame size and rate where IN lacks them."),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Frame size where IN has none: 1920x1080.")
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Frames a second where IN has none. [30]")
    ] = None,
    class_names: Annotated[
        str | None,
        typer.Option(help="Names of the class numbers where IN has none: person,car. [object]"),
    ] = None,
    no_clobber: NoClobber = False,
) -> None:
    """Convert recorded tracks: JSON, MOT, CSV, COCO, CVAT, YOLO, Parquet, Label Studio."""
    from tracker.cli.convert import ConvertRequest, run_convert
    from tracker.sinks.place import Existing
    from tracker.track_files.formats import VideoDefaults, format_named

    names = words_of("--class-names", class_names)
    known = VideoDefaults(
        None if size is None else size_of("--size", size), fps, tuple(names or ())
    )
    request = ConvertRequest(
        source,
        output,
        None if from_ is None else format_named(from_),
        None if to is None else format_named(to),
        known,
        video,
        Existing.REFUSE if no_clobber else Existing.REPLACE,
    )
    print_status(*run_convert(request))


def draw(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    recording: Annotated[
        str, typer.Argument(help="Tracks in any format that `tracker convert` reads.")
    ],
    source: Annotated[str, typer.Argument(help="The video that was tracked, or its images.")],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="Annotated H.264 video (.mp4, .mov, .mkv)."),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Show a window; q quits.")] = False,
    video_scale: VideoScale = None,
    video_encoder: VideoEncoderName = None,
    zones: ZonesFile = None,
    blur: Blur = None,
    blur_ids: BlurIds = None,
    labels: LabelTexts = None,
    color_by: ColorOf = None,
    boxes: BoxLines = None,
    line_scale: LineScale = None,
    font_scale: FontScale = None,
    trail: TrailSeconds = None,
    max_frames: MaxFrames = None,
    start: StartTime = None,
    no_clobber: NoClobber = False,
    config: ConfigFile = None,
    set_: Overrides = None,
    no_progress: NoProgress = False,
) -> None:
    """Draw recorded tracks into their video, such as those that `tracker refine` has improved."""
    from tracker.cli.draw import DrawRequest, run_draw
    from tracker.cli.run.configuration import run_config
    from tracker.cli.run.outputs import Outputs
    from tracker.sinks.place import Existing

    options = {
        "video_scale": video_scale,
        "video_encoder": video_encoder,
        "zones": zones,
        "blur": blur,
        "blur_ids": blur_ids,
        "labels": labels,
        "color_by": color_by,
        "boxes": boxes,
        "line_scale": line_scale,
        "font_scale": font_scale,
        "trail": trail,
        "max_frames": max_frames,
        "start": start,
    }
    outputs = Outputs(
        video=output,
        show=show,
        existing=Existing.REFUSE if no_clobber else Existing.REPLACE,
    )
    settings = run_config(config, set_ or (), options)
    raise typer.Exit(run_draw(DrawRequest(recording, source, outputs, settings, not no_progress)))


def plot(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    recording: Annotated[
        str, typer.Argument(help="Tracks in any format that `tracker convert` reads.")
    ],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="Folder of the plots. [NAME-plots beside it]"),
    ] = None,
    report: Annotated[
        str | None, typer.Option(help="One HTML file with all plots and tables.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="The video, for its first frame under paths and heat map."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(help="trajectories, heat-map, time-line, counts, speeds. [all]"),
    ] = None,
    file_format: Annotated[str, typer.Option("--format", help="png or svg.")] = "png",
    dark: Annotated[bool, typer.Option("--dark", help="Light lines on a dark ground.")] = False,
    zones: ZonesFile = None,
    fps: Annotated[
        float | None, typer.Option(help="Frames a second where the file has none. [30]")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Frame size where the file has none: 1920x1080.")
    ] = None,
) -> None:
    """Plot recorded tracks: paths, heat map, time line, counts, speeds; or an HTML report."""
    from tracker.cli.plot import PlotRequest, run_plot
    from tracker.track_files.formats import VideoDefaults

    request = PlotRequest(
        recording,
        folder=output,
        report=report,
        source=source,
        only=words_of("--only", only) or (),
        file_format=file_format,
        dark=dark,
        zones=zones,
        video=VideoDefaults(None if size is None else size_of("--size", size), fps),
    )
    print_status(*run_plot(request))
