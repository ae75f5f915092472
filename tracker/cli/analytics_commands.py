"""The command `analyze`."""

from typing import Annotated

import typer

from tracker.cli.options import NoClobber


def add_analytics_commands(app: typer.Typer) -> None:
    """Adds the commands of this module to the program."""
    app.command()(analyze)


def analyze(
    recording: Annotated[
        str, typer.Argument(help="Output of a run: JSON Lines, a JSON document, or MOT text.")
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
