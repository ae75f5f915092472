"""The command `tracker`: words to a request, errors to one line and an exit code.

Comes in: `sys.argv`. Goes out: exit code 0 done, 1 failed while running, 2 wrong use or
configuration, 128 + signal number when stopped by one. Heavy modules load inside the commands.
"""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from tracker.errors import ConfigError, TrackerError
from tracker.train_command import train_app
from tracker.version import __version__

app = typer.Typer(
    name="tracker",
    help="Find and follow objects in video: webcam, files, folders of images.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(train_app, name="train")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tracker {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _common(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Find and follow objects in video: webcam, files, folders of images."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


@app.command()
def run(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    source: Annotated[
        str,
        typer.Argument(
            help="Video file, camera index (0), folder of images, MOT sequence, or 'glob*.jpg'."
        ),
    ],
    json: Annotated[
        str | None,
        typer.Option(help="Tracks as JSON Lines (.jsonl; - for stdout) or one document (.json)."),
    ] = None,
    video: Annotated[
        str | None, typer.Option(help="Annotated H.264 video (.mp4, .mov, .mkv).")
    ] = None,
    mot: Annotated[str | None, typer.Option(help="Tracks as MOTChallenge text.")] = None,
    csv: Annotated[str | None, typer.Option(help="Tracks as a CSV table.")] = None,
    save_dir: Annotated[
        str | None, typer.Option(help="Folder for NAME.jsonl and NAME.mp4.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Show a window; q quits.")] = False,
    embeddings: Annotated[
        bool, typer.Option("--embeddings", help="Write to JSON what each track looks like.")
    ] = False,
    detector: Annotated[
        str | None,
        typer.Option(
            help="'motion' (fixed cameras, no model), a .keras of ours, a Darknet .cfg. [motion]"
        ),
    ] = None,
    weights: Annotated[str | None, typer.Option(help="Weights that belong to a .cfg.")] = None,
    names: Annotated[str | None, typer.Option(help="Class names, one a line.")] = None,
    detections: Annotated[
        str | None,
        typer.Option(help="Replay detections made earlier: MOT det.txt or our JSON."),
    ] = None,
    classes: Annotated[str | None, typer.Option(help="Classes to keep: person,car. [all]")] = None,
    embedder: Annotated[
        str | None, typer.Option(help="Appearance: 'none', or a .keras of `train reid`. [none]")
    ] = None,
    conf: Annotated[
        float | None, typer.Option(help="Drop detections that score below this. [0.25]")
    ] = None,
    iou: Annotated[
        float | None, typer.Option(help="Of boxes that overlap more, keep the best. [0.45]")
    ] = None,
    imgsz: Annotated[
        int | None, typer.Option(help="Long side of the network's input, px. [the model's own]")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, gpu or gpu:N. [auto]")] = None,
    runtime: Annotated[
        str | None,
        typer.Option(help="What runs the network: auto, litert (CPU) or xla. [auto]"),
    ] = None,
    max_frames: Annotated[int | None, typer.Option(help="Stop after so many frames.")] = None,
    stride: Annotated[int | None, typer.Option(help="Take each n-th frame. [1]")] = None,
    start: Annotated[
        str | None, typer.Option(help="Begin here: seconds, M:SS or H:MM:SS. [0]")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of random draws and of the palette. [0]")
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="YAML file that overrides defaults, see configs/.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override one key: tracking.min_iou=0.4.")
    ] = None,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False,
) -> None:
    """Track the objects of a source; write, show or print the result."""
    from tracker.config import load_config, overlay
    from tracker.run_command import Outputs, RunRequest
    from tracker.run_command import run as run_request
    from tracker.sinks.json_records import Embeddings

    settings = load_config(config, set_ or ())
    is_motion = (detector or settings.detector.name) == "motion"
    replayed = detections or settings.detector.detections
    if replayed is not None:
        _check_replay(
            replayed,
            {
                "--detector": detector,
                "--conf": conf,
                "--iou": iou,
                "--imgsz": imgsz,
                "--device": device,
                "--runtime": runtime,
            },
        )
    of_networks = {"--iou": iou, "--imgsz": imgsz, "--device": device, "--runtime": runtime}
    for option, value in of_networks.items():
        if is_motion and value is not None:
            raise ConfigError(
                f"{option} {value}: the motion detector has no network; name a model with "
                "--detector FILE.keras or FILE.cfg"
            )
    settings = overlay(
        settings,
        {
            "detector.name": detector,
            "detector.weights": weights,
            "detector.names": names,
            "detector.detections": detections,
            "detector.network.classes": _words("--classes", classes),
            "detector.motion.confidence" if is_motion else "detector.network.confidence": conf,
            "detector.network.iou": iou,
            "detector.network.input_size": imgsz,
            "detector.network.device": device,
            "detector.network.runtime": runtime,
            "embedder.name": embedder,
            "source.max_frames": max_frames,
            "source.stride": stride,
            "source.start_s": None if start is None else _seconds(start),
            "seed": seed,
            "draw.seed": seed,
        },
    )
    outputs = Outputs(
        json=json,
        mot=mot,
        csv=csv,
        video=video,
        show=show,
        save_dir=save_dir,
        embeddings=Embeddings.INCLUDE if embeddings else Embeddings.OMIT,
    )
    code = run_request(RunRequest(source, settings, outputs, progress=not no_progress))
    raise typer.Exit(code)


@app.command("eval")
def evaluate(
    truth: Annotated[
        str, typer.Option(help="Folder with NAME/gt/gt.txt, one such NAME, or a truth file.")
    ],
    tracks: Annotated[
        str, typer.Option(help="Folder with NAME.txt, .jsonl or .json; a file for one sequence.")
    ],
    rules: Annotated[str, typer.Option(help="What counts: MOT15, MOT17 or MOT20.")],
    json: Annotated[str | None, typer.Option(help="Scores as JSON (- for stdout).")] = None,
    csv: Annotated[str | None, typer.Option(help="Scores as CSV (- for stdout).")] = None,
    plot: Annotated[
        str | None, typer.Option(help="Folder for PNG plots: HOTA over alpha, id switches.")
    ] = None,
) -> None:
    """Score tracks against a truth: HOTA, MOTA, IDF1 and their parts."""
    from tracker.eval_command import EvalRequest, run_eval

    run_eval(EvalRequest(truth, tracks, rules, json=json, csv=csv, plot=plot))


@app.command()
def refine(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    recording: Annotated[
        str, typer.Argument(help="What a run wrote: JSON Lines, a JSON document, or MOT text.")
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Where to write: NAME.jsonl, .json or .txt.")
    ],
    max_gap_s: Annotated[
        float | None, typer.Option(help="Longest gap that is bridged, in seconds. [3]")
    ] = None,
    max_offset: Annotated[
        float | None,
        typer.Option(help="Largest misfit of two ends that are joined, in heights. [0.4]"),
    ] = None,
    max_appearance_distance: Annotated[
        float | None,
        typer.Option(help="Joined tracks look at least so alike, where JSON tells. [0.25]"),
    ] = None,
    appearance_gap_s: Annotated[
        float | None, typer.Option(help="As --max-gap-s, for tracks that look alike. [5]")
    ] = None,
    min_seen: Annotated[
        int | None, typer.Option(help="Drop tracks seen in fewer frames. [8]")
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(help="Drop tracks below this share of the median score. [0.5]"),
    ] = None,
    no_smooth: Annotated[
        bool, typer.Option("--no-smooth", help="Leave boxes as they are.")
    ] = False,
    fps: Annotated[float | None, typer.Option(help="Frames a second of MOT text. [30]")] = None,
) -> None:
    """Improve recorded tracks off-line: join broken ones, drop ghosts, fill gaps, smooth."""
    from tracker.refine_command import RefineRequest, run_refine
    from tracker.tracking.refine import RefineSettings
    from tracker.tracking.rejoin import JoinSettings

    default = RefineSettings()
    gates = {
        "max_gap_s": max_gap_s,
        "max_offset": max_offset,
        "max_appearance_distance": max_appearance_distance,
        "appearance_gap_s": appearance_gap_s,
    }
    settings = RefineSettings(
        join=JoinSettings(**{k: v for k, v in gates.items() if v is not None}),
        min_seen=default.min_seen if min_seen is None else min_seen,
        min_score=default.min_score if min_score is None else min_score,
        noise=None if no_smooth else default.noise,
    )
    typer.echo(run_refine(RefineRequest(recording, output, settings, fps=fps)), err=True)


def _check_replay(path: str, options: Mapping[str, object]) -> None:
    for option, value in options.items():
        if value is not None:
            raise ConfigError(
                f"{option} {value} and --detections {path}: detections are replayed as they are, "
                "nothing is detected; leave one out (--set tracking.birth_score=0.5 asks for a "
                "score before a track starts)"
            )


@app.command("eval-detector")
def evaluate_detector(  # noqa: PLR0913, PLR0917 - one parameter for each option
    labels: Annotated[str, typer.Option(help="Folder of YOLO labels, or a COCO JSON file.")],
    detector: Annotated[str, typer.Option(help="A .keras of ours or a Darknet .cfg.")],
    weights: Annotated[str | None, typer.Option(help="Weights that belong to a .cfg.")] = None,
    names: Annotated[str | None, typer.Option(help="The detector's class names.")] = None,
    images: Annotated[
        str | None, typer.Option(help="Folder of pictures. [YOLO: 'images' in place of 'labels']")
    ] = None,
    label_names: Annotated[
        str | None, typer.Option(help="Names of YOLO's class numbers. [the detector's]")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Classes to score: person,car. [all in the labels]")
    ] = None,
    conf: Annotated[float, typer.Option(help="Drop detections that score below this.")] = 0.001,
    imgsz: Annotated[
        int | None, typer.Option(help="Long side of the network's input, px. [the model's own]")
    ] = None,
    json: Annotated[str | None, typer.Option(help="Scores as JSON (- for stdout).")] = None,
    config: Annotated[
        str | None, typer.Option(help="YAML file that overrides defaults, see configs/.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override one key, as in tracker run.")
    ] = None,
) -> None:
    """Score a detector on labelled pictures: mAP@0.5 and COCO's mAP@[.5:.95]."""
    from tracker.config import load_config, overlay
    from tracker.eval_detector_command import DetectorEvalRequest, run_eval_detector

    changes = {
        "detector.name": detector,
        "detector.weights": weights,
        "detector.names": names,
        "detector.network.confidence": conf,
        "detector.network.input_size": imgsz,
    }
    settings = overlay(load_config(config, set_ or ()), changes)
    chosen = _words("--classes", classes)
    run_eval_detector(DetectorEvalRequest(labels, settings, images, label_names, chosen, json=json))


def _words(option: str, text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    words = tuple(word.strip() for word in text.split(","))
    if not all(words):
        raise ConfigError(f"{option} {text!r}: expected names with commas between, as person,car")
    return words


def _seconds(text: str) -> float:
    """Returns the seconds that `90`, `1:30` or `0:01:30.5` mean."""
    parts = text.split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or min(numbers) < 0 or any(n >= 60 for n in numbers[1:]):
        raise ConfigError(f"--start {text}: expected seconds, M:SS or H:MM:SS, such as 90 or 1:30")
    total = 0.0
    for number in numbers:
        total = 60 * total + number
    return total


def main(words: Sequence[str] | None = None) -> None:
    """Runs the command and exits.

    Args:
        words: What follows `tracker`; `None` for `sys.argv`.
    """
    words = sys.argv[1:] if words is None else words
    _quiet_libraries()
    debug = "--debug" in words
    # A run of this command: `tracker run --debug` should work as well as `tracker --debug run`.
    arguments = [word for word in words if word != "--debug"]
    handler = _StderrHandler(logging.WARNING)
    logging.getLogger("tracker").addHandler(handler)
    try:
        code = app(args=arguments, standalone_mode=False)
    except typer.TyperException as error:
        sys.exit(_fail(error.format_message(), error.exit_code))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(_fail("interrupted", 130))
    except TrackerError as error:
        if debug:
            raise
        sys.exit(_fail(str(error), 1 if _failed_while_running(error) else 2))
    finally:
        logging.getLogger("tracker").removeHandler(handler)
    sys.exit(code or 0)


def _failed_while_running(error: TrackerError) -> bool:
    run_command = sys.modules.get("tracker.run_command")
    return run_command is not None and isinstance(error, run_command.RunFailedError)


def _fail(message: str, code: int) -> int:
    line = " ".join(message.split())
    print(f"tracker: error: {line}", file=sys.stderr)
    return code


class _StderrHandler(logging.Handler):
    """Writes `tracker: warning: ...` to whatever stderr is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"tracker: {record.levelname.lower()}: {record.getMessage()}", file=sys.stderr)


def _quiet_libraries() -> None:
    """Keeps libraries' start-up chatter off the terminal; what a user sets himself stays."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
