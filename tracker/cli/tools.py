"""Commands that follow nothing live: scores, refinement, exports, measurements."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from tracker.cli.parsing import words_of
from tracker.errors import ConfigError
from tracker.util.terminal import print_status

if TYPE_CHECKING:
    from tracker.cli.bench.command import LivePlay
    from tracker.config.run import Config


def add_offline_commands(app: typer.Typer) -> None:
    """Adds them to the program, in the order of its help."""
    app.command("eval")(evaluate)
    app.command("eval-detector")(evaluate_detector)
    app.command()(refine)
    app.command()(export)
    app.command()(bench)


def evaluate(
    truth: Annotated[
        str, typer.Option(help="Folder with NAME/gt/gt.txt, one such NAME, or a truth file.")
    ],
    tracks: Annotated[
        str, typer.Option(help="Folder with NAME.txt, .jsonl or .json; a file for one sequence.")
    ],
    rules: Annotated[str, typer.Option(help="Rules of evaluation: MOT15, MOT17 or MOT20.")],
    json: Annotated[str | None, typer.Option(help="Scores as JSON (- for stdout).")] = None,
    csv: Annotated[str | None, typer.Option(help="Scores as CSV (- for stdout).")] = None,
    plot: Annotated[
        str | None, typer.Option(help="Folder for PNG plots: HOTA over alpha, id switches.")
    ] = None,
) -> None:
    """Score tracks against a truth: HOTA, MOTA, IDF1 and their parts."""
    from tracker.cli.eval.tracks import EvalRequest, run_eval

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
    no_clobber: Annotated[
        bool, typer.Option("--no-clobber", help="Refuse to replace a file that exists.")
    ] = False,
) -> None:
    """Export a network to a .tflite that runs on CPUs without TensorFlow."""
    from pathlib import Path

    from tracker.cli.export import ExportRequest, run_export
    from tracker.sinks.place import Existing

    existing = Existing.REFUSE if no_clobber else Existing.REPLACE
    run_export(ExportRequest(Path(model), Path(output), precision, pictures, existing))


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
    no_clobber: Annotated[
        bool, typer.Option("--no-clobber", help="Refuse to replace a file that exists.")
    ] = False,
) -> None:
    """Improve recorded tracks off-line: join broken ones, drop ghosts, fill gaps, smooth."""
    from tracker.cli.refine import RefineRequest, run_refine
    from tracker.sinks.place import Existing
    from tracker.tracking.offline.join import JoinSettings
    from tracker.tracking.offline.refine import RefineSettings

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
    existing = Existing.REFUSE if no_clobber else Existing.REPLACE
    print_status(run_refine(RefineRequest(recording, output, settings, fps=fps, existing=existing)))


def evaluate_detector(  # noqa: PLR0913, PLR0917 - one parameter for each option
    labels: Annotated[str, typer.Option(help="Folder of YOLO labels, or a COCO JSON file.")],
    detector: Annotated[
        str, typer.Option(help="nano, small, a .keras or .tflite of this package, a Darknet .cfg.")
    ],
    weights: Annotated[
        str | None, typer.Option(help="Weights of a .cfg. [NAME.weights beside it]")
    ] = None,
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
    from tracker.cli.eval.detector import DetectorEvalRequest, run_eval_detector
    from tracker.config.run import load_config, overlay

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


def bench(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    video: Annotated[str, typer.Argument(help="Video file, folder of images, or 'glob*.jpg'.")],
    live: Annotated[
        bool, typer.Option("--live", help="Play it at its own pace, as a camera would.")
    ] = False,
    load: Annotated[
        str | None, typer.Option(help="With --live: play it so many times as fast: 0.5,1,2,4. [1]")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="With --live: play so long, over and over. [once]")
    ] = None,
    json: Annotated[str | None, typer.Option(help="Figures as JSON (- for stdout).")] = None,
    detector: Annotated[
        str | None, typer.Option(help="As in tracker run: nano, small, motion, a file. [small]")
    ] = None,
    embedder: Annotated[
        str | None, typer.Option(help="As in tracker run: auto, builtin, none, a file. [auto]")
    ] = None,
    conf: Annotated[
        float | None, typer.Option(help="Drop detections that score below this. [the model's own]")
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
    config: Annotated[
        str | None, typer.Option(help="YAML file that overrides defaults, see configs/.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override one key, as in tracker run.")
    ] = None,
) -> None:
    """Measure speed by stage on a file; with --live, latency and dropped frames under load."""
    from tracker.cli.bench.command import BenchRequest, run_bench
    from tracker.config.run import load_config, overlay

    play = _live_play(live, load, seconds)
    settings = load_config(config, set_ or ())
    of_detector = {
        "--detector": detector,
        "--conf": conf,
        "--imgsz": imgsz,
        "--device": device,
        "--runtime": runtime,
    }
    changes = {
        **_detector_changes(settings, of_detector),
        "embedder.name": embedder,
        "source.max_frames": max_frames,
    }
    run_bench(BenchRequest(video, overlay(settings, changes), play, json=json))


def _live_play(live: bool, load: str | None, seconds: float | None) -> "LivePlay | None":
    from tracker.cli.bench.command import LivePlay

    for option, value in (("--load", load), ("--seconds", seconds)):
        if not live and value is not None:
            raise ConfigError(
                f"{option} {value}: without --live a file goes as fast as it can; add --live"
            )
    if not live:
        return None
    try:
        loads = tuple(float(word) for word in (load or "1").split(","))
    except ValueError:
        raise ConfigError(
            f"--load {load}: expected numbers with commas between, as 0.5,1,2,4"
        ) from None
    return LivePlay(loads, seconds)


def _detector_changes(settings: "Config", options: Mapping[str, object]) -> dict[str, object]:
    """Returns which keys of the configuration options of a detector change, to what.

    Raises:
        ConfigError: The detector has no network, or none runs, that an option could be for.
    """
    detector = options["--detector"] or settings.detector.name
    replayed = settings.detector.detections
    what = "the motion detector" if detector == "motion" else None
    if replayed is not None:
        what = f"replaying {replayed}"
    for option, value in options.items():
        is_fitting = what is None or (replayed is None and option in {"--detector", "--conf"})
        if value is not None and not is_fitting:
            raise ConfigError(f"{option} {value}: {what} runs no network; leave it out")
    part = "motion" if what is not None else "network"
    return {
        "detector.name": options["--detector"],
        f"detector.{part}.confidence": options["--conf"],
        "detector.network.input_size": options["--imgsz"],
        "detector.network.device": options["--device"],
        "detector.network.runtime": options["--runtime"],
    }
