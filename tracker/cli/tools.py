"""The commands `eval`, `eval-detector`, `refine`, `link`, `export` and `bench`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from tracker.cli.help_groups import GroupedCommand
from tracker.cli.options import (
    Confidence,
    ConfigFile,
    Device,
    InputSize,
    NoClobber,
    Overrides,
    Runtime,
    ScoresJson,
    Slices,
)
from tracker.cli.parsing import numbers_of, words_of
from tracker.errors import ConfigError
from tracker.util.terminal import print_status

if TYPE_CHECKING:
    from tracker.cli.bench.command import LivePlay
    from tracker.config.run import Config


def add_commands(app: typer.Typer) -> None:
    """Adds the commands of this module to the program."""
    app.command("eval", cls=GroupedCommand)(evaluate)
    app.command("eval-detector", cls=GroupedCommand)(evaluate_detector)
    app.command(cls=GroupedCommand)(refine)
    app.command(cls=GroupedCommand)(link)
    app.command(cls=GroupedCommand)(export)
    app.command(cls=GroupedCommand)(bench)


def evaluate(
    truth: Annotated[
        str,
        typer.Option(help="Ground truth: folder with NAME/gt/gt.txt, one such NAME, or a file."),
    ],
    tracks: Annotated[
        str, typer.Option(help="Folder with NAME.txt, .jsonl or .json; a file for one sequence.")
    ],
    rules: Annotated[str, typer.Option(help="Rules of evaluation: MOT15, MOT17 or MOT20.")],
    json: ScoresJson = None,
    csv: Annotated[str | None, typer.Option(help="Scores as CSV (- for stdout).")] = None,
    plot: Annotated[
        str | None, typer.Option(help="Folder for PNG plots: HOTA over alpha, id switches.")
    ] = None,
) -> None:
    """Score tracks against ground truth: HOTA, MOTA, IDF1 and their parts."""
    from tracker.cli.eval.tracks import EvalRequest, run_eval

    run_eval(EvalRequest(truth, tracks, rules, json=json, csv=csv, plot=plot))


def export(
    model: Annotated[
        str,
        typer.Argument(help="A .keras file that `tracker train` wrote, or an ncnn .param."),
    ],
    output: Annotated[str, typer.Option("--output", "-o", help="Where to write: NAME.tflite.")],
    precision: Annotated[
        str, typer.Option(help="Number type of the weights: float16, float32 or int8.")
    ] = "float16",
    pictures: Annotated[
        str | None,
        typer.Option(help="For int8: a video or folder of images to calibrate with."),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Weights of a .param. [NAME.bin beside it]")
    ] = None,
    names: Annotated[
        str | None, typer.Option(help="For a .param: file of class names, one a line.")
    ] = None,
    no_clobber: NoClobber = False,
) -> None:
    """Export a network to a .tflite that runs on CPUs without TensorFlow."""
    from pathlib import Path

    from tracker.cli.export import ExportRequest, run_export
    from tracker.sinks.place import Existing

    existing = Existing.REFUSE if no_clobber else Existing.REPLACE
    run_export(
        ExportRequest(Path(model), Path(output), precision, pictures, existing, weights, names)
    )


def refine(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    recording: Annotated[
        str, typer.Argument(help="Output of a run: JSON Lines, a JSON document, or MOT text.")
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Where to write: NAME.jsonl, .json or .txt.")
    ],
    max_gap_s: Annotated[
        float | None, typer.Option(help="Longest gap to join across, in seconds. [3]")
    ] = None,
    max_offset: Annotated[
        float | None,
        typer.Option(help="Largest distance of two ends that are joined, in box heights. [0.4]"),
    ] = None,
    max_appearance_distance: Annotated[
        float | None,
        typer.Option(help="Largest appearance distance of joined tracks; needs embeddings. [0.25]"),
    ] = None,
    appearance_gap_s: Annotated[
        float | None, typer.Option(help="As --max-gap-s, for tracks of similar appearance. [5]")
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
    no_clobber: NoClobber = False,
) -> None:
    """Improve recorded tracks off-line: join fragments, drop false tracks, fill gaps, smooth."""
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


def link(
    recordings: Annotated[
        list[str],
        typer.Argument(help="Outputs of runs with --embeddings: JSON Lines or JSON documents."),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", help="Folder of the results. [NAME-linked.jsonl beside each]"
        ),
    ] = None,
    max_distance: Annotated[
        float | None,
        typer.Option(help="Largest appearance distance of tracks with one global id. [0.35]"),
    ] = None,
    min_embeddings: Annotated[
        int | None, typer.Option(help="Compare only tracks with so many embeddings. [5]")
    ] = None,
    overlapping_views: Annotated[
        bool,
        typer.Option(
            "--overlapping-views", help="Cameras see the same place: anyone may be in several."
        ),
    ] = False,
    offsets: Annotated[
        str | None,
        typer.Option(help="Seconds at which each recording begins: 0,12.5. [wall times]"),
    ] = None,
    no_clobber: NoClobber = False,
) -> None:
    """Give tracks that look alike in several recordings one global id."""
    from tracker.cli.link import LinkRequest, run_link
    from tracker.linking.settings import LinkSettings
    from tracker.sinks.place import Existing

    given = {"max_distance": max_distance, "min_embeddings": min_embeddings}
    settings = LinkSettings(
        **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]
        overlapping_views=overlapping_views,
    )
    starts = None if offsets is None else numbers_of("--offsets", offsets)
    existing = Existing.REFUSE if no_clobber else Existing.REPLACE
    print_status(*run_link(LinkRequest(tuple(recordings), output, settings, starts, existing)))


def evaluate_detector(  # noqa: PLR0913, PLR0917 - one parameter for each option
    labels: Annotated[str, typer.Option(help="Folder of YOLO labels, or a COCO JSON file.")],
    detector: Annotated[
        str, typer.Option(help="nano, small, a .keras or .tflite of this package, a Darknet .cfg.")
    ],
    weights: Annotated[
        str | None, typer.Option(help="Weights of a .cfg. [NAME.weights beside it]")
    ] = None,
    names: Annotated[str | None, typer.Option(help="File of the detector's class names.")] = None,
    images: Annotated[
        str | None, typer.Option(help="Folder of images. [YOLO: 'images' in place of 'labels']")
    ] = None,
    label_names: Annotated[
        str | None, typer.Option(help="Names of YOLO's class numbers. [the detector's]")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Classes to score: person,car. [all in the labels]")
    ] = None,
    conf: Annotated[float, typer.Option(help="Drop detections that score below this.")] = 0.001,
    imgsz: InputSize = None,
    slices: Slices = None,
    json: ScoresJson = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Score a detector on labelled images: mAP@0.5 and COCO's mAP@[.5:.95]."""
    from tracker.cli.eval.detector import DetectorEvalRequest, run_eval_detector
    from tracker.config.run import load_config, overlay

    changes = {
        "detector.name": detector,
        "detector.weights": weights,
        "detector.names": names,
        "detector.network.confidence": conf,
        "detector.network.input_size": imgsz,
        "detector.slices": slices,
    }
    settings = overlay(load_config(config, set_ or ()), changes)
    chosen = words_of("--classes", classes)
    run_eval_detector(DetectorEvalRequest(labels, settings, images, label_names, chosen, json=json))


def bench(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    video: Annotated[str, typer.Argument(help="Video file, folder of images, or 'glob*.jpg'.")],
    live: Annotated[
        bool, typer.Option("--live", help="Play the file at its own frame rate, as a camera would.")
    ] = False,
    load: Annotated[
        str | None,
        typer.Option(help="With --live: play it at these multiples of the rate: 0.5,1,2,4. [1]"),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="With --live: play for so long, repeating the file. [once]")
    ] = None,
    json: Annotated[str | None, typer.Option(help="Figures as JSON (- for stdout).")] = None,
    detector: Annotated[
        str | None, typer.Option(help="As in tracker run: nano, small, motion, a file. [small]")
    ] = None,
    embedder: Annotated[
        str | None, typer.Option(help="As in tracker run: auto, builtin, none, a file. [auto]")
    ] = None,
    conf: Confidence = None,
    imgsz: InputSize = None,
    device: Device = None,
    runtime: Runtime = None,
    max_frames: Annotated[int | None, typer.Option(help="Stop after so many frames.")] = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Measure speed by stage on a file; with --live, latency and dropped frames under load."""
    from tracker.cli.bench.command import BenchRequest, run_bench
    from tracker.config.run import load_config, overlay

    play = _live_play(live, load, seconds)
    settings = load_config(config, set_ or ())
    detector_options = {
        "--detector": detector,
        "--conf": conf,
        "--imgsz": imgsz,
        "--device": device,
        "--runtime": runtime,
    }
    changes = {
        **_detector_values(settings, detector_options),
        "embedder.name": embedder,
        "source.max_frames": max_frames,
    }
    run_bench(BenchRequest(video, overlay(settings, changes), play, json=json))


def _live_play(live: bool, load: str | None, seconds: float | None) -> "LivePlay | None":
    from tracker.cli.bench.command import LivePlay

    for option, value in (("--load", load), ("--seconds", seconds)):
        if not live and value is not None:
            raise ConfigError(
                f"{option} {value}: without --live a file is read as fast as possible; add --live"
            )
    if not live:
        return None
    try:
        loads = tuple(float(word) for word in (load or "1").split(","))
    except ValueError:
        raise ConfigError(
            f"--load {load}: expected numbers with commas between, such as 0.5,1,2,4"
        ) from None
    return LivePlay(loads, seconds)


def _detector_values(settings: "Config", options: Mapping[str, object]) -> dict[str, object]:
    """Returns the values by configuration key that the options of a detector set.

    Args:
        settings: The configuration that they override.
        options: Value by option; `None` where it is not given.

    Raises:
        ConfigError: An option is for a network, but the detector has or runs none.
    """
    detector = options["--detector"] or settings.detector.name
    replayed = settings.detector.detections
    without_network = "the motion detector" if detector == "motion" else None
    if replayed is not None:
        without_network = f"replaying {replayed}"
    for option, value in options.items():
        is_used = without_network is None or (
            replayed is None and option in {"--detector", "--conf"}
        )
        if value is not None and not is_used:
            raise ConfigError(f"{option} {value}: {without_network} runs no network; leave it out")
    part = "motion" if without_network is not None else "network"
    return {
        "detector.name": options["--detector"],
        f"detector.{part}.confidence": options["--conf"],
        "detector.network.input_size": options["--imgsz"],
        "detector.network.device": options["--device"],
        "detector.network.runtime": options["--runtime"],
    }
