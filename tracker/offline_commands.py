"""Commands that need no source: scores, refinement, exports.

Comes in: the words of the command line. Goes out: requests to the modules that do the work, which
load only then.
"""

from typing import Annotated

import typer

from tracker.errors import ConfigError


def add_offline_commands(app: typer.Typer) -> None:
    """Adds them to the program, in the order of its help."""
    app.command("eval")(evaluate)
    app.command("eval-detector")(evaluate_detector)
    app.command()(refine)
    app.command()(export)


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


def export(
    model: Annotated[str, typer.Argument(help="A .keras file that `tracker train` wrote.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Where to write: NAME.tflite.")],
    precision: Annotated[
        str, typer.Option(help="How numbers are kept: float16, float32 or int8.")
    ] = "float16",
    pictures: Annotated[
        str | None,
        typer.Option(help="For int8: a video or folder of pictures like those that will come."),
    ] = None,
) -> None:
    """Export a network to a .tflite that runs on CPUs without TensorFlow."""
    from pathlib import Path

    from tracker.export_command import ExportRequest, run_export

    run_export(ExportRequest(Path(model), Path(output), precision, pictures))


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


def evaluate_detector(  # noqa: PLR0913, PLR0917 - one parameter for each option
    labels: Annotated[str, typer.Option(help="Folder of YOLO labels, or a COCO JSON file.")],
    detector: Annotated[
        str, typer.Option(help="nano, small, a .keras or .tflite of ours, a Darknet .cfg.")
    ],
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
    chosen = words_of("--classes", classes)
    run_eval_detector(DetectorEvalRequest(labels, settings, images, label_names, chosen, json=json))


def words_of(option: str, text: str | None) -> tuple[str, ...] | None:
    """Returns the words of a list with commas; `None` where there is none.

    Raises:
        ConfigError: A word is empty.
    """
    if text is None:
        return None
    words = tuple(word.strip() for word in text.split(","))
    if not all(words):
        raise ConfigError(f"{option} {text!r}: expected names with commas between, as person,car")
    return words
