"""Options that several commands have, each declared once."""

from typing import Annotated

import typer

from tracker.cli.help_groups import choices


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
Device = Annotated[
    str | None,
    typer.Option(
        help="auto, cpu, gpu or gpu:N. [auto]", autocompletion=choices("auto", "cpu", "gpu")
    ),
]
Runtime = Annotated[
    str | None,
    typer.Option(
        help="What runs the network: auto, litert (CPU), xla, onnxruntime, openvino (CPU). [auto]",
        autocompletion=choices("auto", "litert", "xla", "onnxruntime", "openvino"),
    ),
]
ClassNames = Annotated[str | None, typer.Option(help="File of class names, one a line.")]
ClassFilter = Annotated[str | None, typer.Option(help="Classes to keep: person,car. [all]")]
OverlapLimit = Annotated[
    float | None,
    typer.Option(help="IoU above which only the best of two boxes is kept. [0.45]"),
]
DetectEvery = Annotated[
    int | None, typer.Option(help="Detect in every n-th frame, predict in the others. [1]")
]
Attempts = Annotated[
    str | None,
    typer.Option(help="Attempts to reconnect a lost camera or stream, or forever. [forever]"),
]
MaxFrames = Annotated[int | None, typer.Option(help="Stop after so many frames of each source.")]
Stride = Annotated[int | None, typer.Option(help="Take every n-th frame. [1]")]
StartTime = Annotated[str | None, typer.Option(help="Begin here: seconds, M:SS or H:MM:SS. [0]")]
Seed = Annotated[int | None, typer.Option(help="Seed of random numbers and of the palette. [0]")]
Blur = Annotated[
    str | None,
    typer.Option(
        help="Hide in videos and windows: person, face-region (heads), or any classes, with commas."
    ),
]
BlurIds = Annotated[
    str | None, typer.Option(help="Hide only the tracks with these ids: 3,7. [all of --blur]")
]
LabelTexts = Annotated[
    str | None,
    typer.Option(
        help="Text beside boxes: none, id, class (id and class), or full (score too). [full]",
        autocompletion=choices("none", "id", "class", "full"),
    ),
]
ColorOf = Annotated[
    str | None,
    typer.Option(
        "--color-by",
        help="Colour of a track by id, class, or zone (of --zones). [id]",
        autocompletion=choices("id", "class", "zone"),
    ),
]
BoxLines = Annotated[
    str | None,
    typer.Option(
        help="Lines around objects: full, corners or none. [full]",
        autocompletion=choices("full", "corners", "none"),
    ),
]
LineScale = Annotated[float | None, typer.Option(help="Thickness of lines, as a factor. [1]")]
FontScale = Annotated[float | None, typer.Option(help="Size of text, as a factor. [1]")]
TrailSeconds = Annotated[
    float | None,
    typer.Option("--trail", help="Seconds of the path behind each foot point; 0 = none. [1.5]"),
]
VideoEncoderName = Annotated[
    str | None,
    typer.Option(
        "--video-encoder",
        help="What encodes videos: auto (hardware if it works, else x264), x264, nvenc, vaapi, "
        "qsv or videotoolbox. [auto]",
        autocompletion=choices("auto", "x264", "nvenc", "vaapi", "qsv", "videotoolbox"),
    ),
]
VideoScale = Annotated[
    float | None,
    typer.Option("--video-scale", help="Size of videos, as a factor: 0.5 halves both sides. [1]"),
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
    int | None, typer.Option("--crops-per-track", help="Images of each track in --crops. [1]")
]
ClipsFolder = Annotated[
    str | None,
    typer.Option("--clips", help="Folder for a clip of each track, cut out of the video file."),
]
ClipMargin = Annotated[
    float | None,
    typer.Option("--clip-margin", help="Seconds before and after a track in --clips. [1]"),
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
