"""Options that several commands have, each declared once."""

from typing import Annotated

import typer


def pixels_or_auto(text: str) -> int | str:
    """Returns the number of pixels, or `auto`.

    Raises:
        typer.BadParameter: It is neither.
    """
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"expected pixels, or auto, got {text!r}") from None


Confidence = Annotated[
    float | None, typer.Option(help="Keep detections that score above this. [the model's own]")
]
InputSize = Annotated[
    int | None,
    typer.Option(
        parser=pixels_or_auto,
        metavar="PX",
        help="Long side of the network's input, or auto: by the frame size for built-in models, "
        "else the model's own. [auto]",
    ),
]
Slices = Annotated[
    str | None,
    typer.Option(help="Detect in tiles of the frame too, for small objects: 2x2, auto. [off]"),
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, gpu or gpu:N. [auto]")]
Runtime = Annotated[
    str | None,
    typer.Option(
        help="What runs the network: auto, litert (CPU), xla, onnxruntime or openvino (CPU). [auto]"
    ),
]
Blur = Annotated[
    str | None,
    typer.Option(
        help="Hide in videos and windows: person, face-region (heads), or any classes, with commas."
    ),
]
BlurIds = Annotated[
    str | None, typer.Option(help="Hide only the tracks with these ids: 3,7. [all of --blur]")
]
ZonesFile = Annotated[
    str | None,
    typer.Option("--zones", help="Zones, lines and calibration, a YAML file: docs/analytics.md."),
]
EventsFile = Annotated[
    str | None,
    typer.Option("--events", help="Events of --zones as CSV, or as .jsonl (- for stdout, CSV)."),
]
CropsFolder = Annotated[
    str | None, typer.Option("--crops", help="Folder for the best image of each track.")
]
CropsPerTrack = Annotated[
    int, typer.Option("--crops-per-track", help="Images of each track in --crops.")
]
ClipsFolder = Annotated[
    str | None,
    typer.Option("--clips", help="Folder for a clip of each track, cut out of the video file."),
]
ClipMargin = Annotated[
    float, typer.Option("--clip-margin", help="Seconds before and after a track in --clips.")
]
Webhook = Annotated[
    str | None,
    typer.Option(
        "--webhook",
        help="Post events to this address; signed with TRACKER_WEBHOOK_SECRET of the environment.",
    ),
]
Mqtt = Annotated[
    str | None, typer.Option("--mqtt", help="Publish events to an MQTT broker: BROKER/TOPIC.")
]
ConfigFile = Annotated[
    str | None, typer.Option(help="YAML file that overrides defaults, see configs/.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Override one key, as in tracker run.")
]
ScoresJson = Annotated[str | None, typer.Option(help="Scores as JSON (- for stdout).")]
NoClobber = Annotated[
    bool, typer.Option("--no-clobber", help="Refuse to replace a file that exists.")
]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="No progress bar.")]
