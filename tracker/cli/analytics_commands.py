"""The commands `analyze` and `zones`."""

from typing import Annotated

import typer

from tracker.cli.help_groups import GroupedCommand
from tracker.cli.options import NoClobber


def add_commands(app: typer.Typer) -> None:
    """Adds the commands of this module to the program."""
    app.command(cls=GroupedCommand)(analyze)
    app.command(cls=GroupedCommand)(zones)


def analyze(
    recording: Annotated[
        str, typer.Argument(help="Recorded tracks, in a format that `tracker convert` reads.")
    ],
    zones: Annotated[
        str | None,
        typer.Option(help="Zones and lines, a YAML file. [those of the run, in the recording]"),
    ] = None,
    events: Annotated[
        str | None, typer.Option(help="Events as CSV, or as .jsonl (- for stdout, CSV).")
    ] = None,
    json: Annotated[str | None, typer.Option(help="Counts as JSON (- for stdout).")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames a second of MOT text.")] = None,
    no_clobber: NoClobber = False,
) -> None:
    """Count recorded tracks in zones and at lines: the same events as in their run."""
    from tracker.cli.analyze import AnalyzeRequest, run_analyze
    from tracker.sinks.place import Existing

    existing = Existing.REFUSE if no_clobber else Existing.REPLACE
    run_analyze(AnalyzeRequest(recording, zones, events, json, fps, existing))


def zones(
    source: Annotated[
        str | None, typer.Argument(help="Image or video to draw on; of a video the first frame.")
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="Where to write: zones.yaml.")
    ] = "zones.yaml",
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", help="Take polygons and lines of CVAT (.xml) or LabelMe (.json) instead."
        ),
    ] = None,
    preview: Annotated[
        str | None, typer.Option(help="Write a PNG of the frame with the zones.")
    ] = None,
    no_clobber: NoClobber = False,
) -> None:
    """Draw zones and lines in a window, or take them from CVAT or LabelMe: zones.yaml."""
    from tracker.cli.zones.command import ZonesRequest, run_zones
    from tracker.sinks.place import Existing
    from tracker.util.terminal import print_status

    existing = Existing.REFUSE if no_clobber else Existing.REPLACE
    print_status(run_zones(ZonesRequest(source, output, from_, preview, existing)))
