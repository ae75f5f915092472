"""The command `tracker`: parses the command line and reports errors in one line.

Exit codes: 0 done, 1 failed while running, 2 wrong use or configuration, 128 + signal number when
stopped by one. Heavy modules are imported inside the commands.
"""

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from tracker.cli.models.command import models_app
from tracker.cli.options import (
    Blur,
    BlurIds,
    ClipMargin,
    ClipsFolder,
    Confidence,
    ConfigFile,
    CropsFolder,
    CropsPerTrack,
    Device,
    EventsFile,
    InputSize,
    Mqtt,
    NoClobber,
    NoProgress,
    Runtime,
    Slices,
    Webhook,
    ZonesFile,
)
from tracker.cli.parsing import (
    HELP,
    Commands,
    RunCommand,
    print_help_without_command,
    reconnect_attempts,
    start_seconds,
    usage_error_text,
    words_of,
)
from tracker.cli.tools import add_offline_commands
from tracker.cli.train.options import train_app
from tracker.errors import ConfigError, OutputClosed, TrackerError
from tracker.util.address import mask_words
from tracker.util.signals import Terminated, raise_on_termination
from tracker.util.terminal import (
    finish_streams,
    occupy_closed_descriptors,
    print_results,
    print_status,
    stdout_error,
)
from tracker.util.text import one_line
from tracker.version import __version__

_INFO_LOGGERS = ("tracker.detection", "tracker.embedding", "tracker.sources", "tracker.sinks")
"""Loggers whose INFO lines a user sees: how a third-party model or a source was recognised."""

app = typer.Typer(
    name="tracker",
    cls=Commands,
    context_settings=HELP,
    help="Detect and track objects in video: webcam, streams, files, folders of images.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(train_app, name="train")
app.add_typer(models_app, name="models")


def _print_version(wanted: bool) -> None:
    if wanted:
        print_results(f"tracker {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options_of_all_commands(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Detect and track objects in video: webcam, streams, files, folders of images."""
    print_help_without_command(context)


@app.command(cls=RunCommand)
def run(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    source: Annotated[
        list[str],
        typer.Argument(
            help="Video file, camera index (0), stream (rtsp://...), - for stdin, folder of "
            "images, MOT sequence, or 'glob*.jpg'; several run side by side."
        ),
    ],
    json: Annotated[
        str | None,
        typer.Option(
            help="Tracks as JSON Lines (.jsonl; - for stdout) or one document (.json). "
            "{name} in a path becomes the name of the source."
        ),
    ] = None,
    video: Annotated[
        str | None, typer.Option(help="Annotated H.264 video (.mp4, .mov, .mkv).")
    ] = None,
    mot: Annotated[str | None, typer.Option(help="Tracks as MOTChallenge text.")] = None,
    csv: Annotated[str | None, typer.Option(help="Tracks as a CSV table.")] = None,
    zones: ZonesFile = None,
    events: EventsFile = None,
    webhook: Webhook = None,
    mqtt: Mqtt = None,
    save_dir: Annotated[
        str | None, typer.Option(help="Folder for NAME.jsonl and NAME.mp4.")
    ] = None,
    crops: CropsFolder = None,
    crops_per_track: CropsPerTrack = 1,
    clips: ClipsFolder = None,
    clip_margin: ClipMargin = 1.0,
    no_clobber: NoClobber = False,
    show: Annotated[bool, typer.Option("--show", help="Show a window; q quits.")] = False,
    background: Annotated[
        str | None,
        typer.Option(
            help="In videos and windows, around tracked people: keep, blur, remove, or an image "
            "file that takes its place."
        ),
    ] = None,
    segmenter: Annotated[
        str | None,
        typer.Option(
            help="A .keras of `tracker train segmenter` in place of the built-in one of people."
        ),
    ] = None,
    blur: Blur = None,
    blur_ids: BlurIds = None,
    embeddings: Annotated[
        bool,
        typer.Option("--embeddings", help="Write the appearance embedding of each track to JSON."),
    ] = False,
    detector: Annotated[
        str | None,
        typer.Option(
            help="nano, small, motion (fixed cameras, no model), a file (.onnx, .tflite, .keras, "
            "Darknet .cfg), a SavedModel, ...: docs/models.md. [small]"
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Weights of a .cfg or an ncnn .param [of the same name beside it], or the .keras "
            "of fcn."
        ),
    ] = None,
    names: Annotated[str | None, typer.Option(help="File of class names, one a line.")] = None,
    detections: Annotated[
        str | None,
        typer.Option(help="Replay detections made earlier: MOT det.txt or our JSON."),
    ] = None,
    classes: Annotated[str | None, typer.Option(help="Classes to keep: person,car. [all]")] = None,
    embedder: Annotated[
        str | None,
        typer.Option(
            help="Appearance: auto, builtin, detector, none, or a file that maps crops to vectors. "
            "[auto]"
        ),
    ] = None,
    conf: Confidence = None,
    iou: Annotated[
        float | None,
        typer.Option(help="IoU above which only the best of two boxes is kept. [0.45]"),
    ] = None,
    imgsz: InputSize = None,
    slices: Slices = None,
    device: Device = None,
    runtime: Runtime = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="Frames to process if the source is faster: newest, all, or auto (newest of "
            "cameras and streams). [auto]"
        ),
    ] = None,
    reconnect: Annotated[
        str | None,
        typer.Option(help="Attempts to reconnect a lost camera or stream, or forever. [forever]"),
    ] = None,
    detect_every: Annotated[
        int | None, typer.Option(help="Detect in every n-th frame, predict in the others. [1]")
    ] = None,
    half: Annotated[
        bool,
        typer.Option(
            "--half",
            help="Compute in 16 bits: float16 on GPUs (runtime xla), bfloat16 on CPUs (openvino).",
        ),
    ] = False,
    max_frames: Annotated[
        int | None, typer.Option(help="Stop after so many frames of each source.")
    ] = None,
    stride: Annotated[int | None, typer.Option(help="Take every n-th frame. [1]")] = None,
    start: Annotated[
        str | None, typer.Option(help="Begin here: seconds, M:SS or H:MM:SS. [0]")
    ] = None,
    link: Annotated[
        bool,
        typer.Option("--link", help="One global id for who looks alike, across all sources."),
    ] = False,
    seed: Annotated[
        int | None, typer.Option(help="Seed of random numbers and of the palette. [0]")
    ] = None,
    config: ConfigFile = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override one key: tracking.max_age_s=4.")
    ] = None,
    no_progress: NoProgress = False,
) -> None:
    """Track the objects of one or several sources; write, show or print the result."""
    from tracker.cli.run.image_options import image_settings
    from tracker.cli.run.many import run_many
    from tracker.cli.run.object_files import ObjectFiles
    from tracker.cli.run.one import RunRequest
    from tracker.cli.run.one import run as run_one
    from tracker.cli.run.outputs import Outputs
    from tracker.cli.run.replay import check_replay
    from tracker.config.run import load_config, overlay, with_reconnect_attempts
    from tracker.config.zones import load_zones, zones_tree
    from tracker.sinks.json_records import Embeddings
    from tracker.sinks.place import Existing

    settings = load_config(config, set_ or ())
    is_motion = (detector or settings.detector.name) == "motion"
    replayed = detections or settings.detector.detections
    network_options = {"--iou": iou, "--imgsz": imgsz, "--device": device, "--runtime": runtime}
    if replayed is not None:
        others = {"--detector": detector, "--conf": conf, "--slices": slices}
        check_replay(replayed, others | network_options)
    for option, value in network_options.items():
        if is_motion and value is not None:
            raise ConfigError(
                f"{option} {value}: the motion detector has no network; name a model with "
                "--detector small or a file"
            )
    settings = overlay(
        settings,
        {
            "detector.name": detector,
            "detector.weights": weights,
            "detector.names": names,
            "detector.detections": detections,
            "detector.network.classes": words_of("--classes", classes),
            "detector.motion.confidence" if is_motion else "detector.network.confidence": conf,
            "detector.network.iou": iou,
            "detector.network.input_size": imgsz,
            "detector.slices": slices,
            "detector.network.device": device,
            "detector.network.runtime": runtime,
            "detector.network.half": half or None,
            "detector.every": detect_every,
            "embedder.name": embedder,
            "segmenter.file": segmenter,
            **image_settings(background, blur, blur_ids),
            "source.live.policy": policy,
            "source.max_frames": max_frames,
            "source.stride": stride,
            "source.start_s": None if start is None else start_seconds(start),
            "link": link or None,
            "analytics": None if zones is None else zones_tree(load_zones(zones)),
            "seed": seed,
            "draw.seed": seed,
        },
    )
    if reconnect is not None:
        settings = with_reconnect_attempts(settings, reconnect_attempts(reconnect))
    outputs = Outputs(
        json=json,
        mot=mot,
        csv=csv,
        events=events,
        webhook=webhook,
        mqtt=mqtt,
        video=video,
        show=show,
        save_dir=save_dir,
        objects=ObjectFiles(crops, crops_per_track, clips, clip_margin),
        embeddings=Embeddings.INCLUDE if embeddings else Embeddings.OMIT,
        existing=Existing.REFUSE if no_clobber else Existing.REPLACE,
    )
    request = RunRequest(
        tuple(source), settings, outputs, progress=not no_progress, config_file=config
    )
    raise typer.Exit(run_one(request) if len(source) == 1 else run_many(request))


add_offline_commands(app)


def main(words: Sequence[str] | None = None) -> None:
    """Runs the command and exits.

    Args:
        words: The arguments after `tracker`; `None` for those of `sys.argv`.
    """
    words = sys.argv[1:] if words is None else words
    occupy_closed_descriptors()
    _quiet_libraries()
    debug = "--debug" in words
    # `--debug` is accepted anywhere: `tracker run --debug` as well as `tracker --debug run`.
    arguments = [word for word in words if word != "--debug"]
    handler, logger = _StderrHandler(words), logging.getLogger("tracker")
    logger.addHandler(handler)
    # TensorFlow's converter gives the root logger a handler, which would repeat every line.
    propagated, logger.propagate = logger.propagate, False
    for name in _INFO_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
    try:
        with raise_on_termination():
            code = _exit_code(arguments, debug=debug)
    except Terminated as stopped:
        code = _print_error("terminated", stopped.exit_code)
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated
    failure = finish_streams()
    if failure is not None and not isinstance(failure, OutputClosed):
        code = code or _print_error(str(failure), failure.exit_code)
    sys.exit(code)


def _exit_code(arguments: Sequence[str], *, debug: bool) -> int:
    """Returns the exit code of a command line, after running it and printing its error."""
    try:
        return app(args=arguments, standalone_mode=False) or 0
    except typer.TyperException as error:
        return _print_error(mask_words(usage_error_text(error), arguments), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _print_error("interrupted", 130)
    except (OutputClosed, BrokenPipeError):
        return 0  # The reader of the output, such as `head`, closed it: no error.
    except Exception as error:
        return _print_exception(error, arguments, debug=debug)


_LESS_MEMORY = "try a smaller --imgsz, a smaller batch, fewer sources at once, or --detector nano"


def _print_exception(error: Exception, words: Sequence[str], *, debug: bool) -> int:
    """Returns the exit code of an error, after printing one line or the traceback."""
    is_ours = isinstance(error, TrackerError)
    if isinstance(error, OSError) and not is_ours and {"-h", "--help"} & set(words):
        error, is_ours = stdout_error(error), True  # Typer prints its help itself.
    code = error.exit_code if isinstance(error, TrackerError) else 1
    if isinstance(error, MemoryError) and not debug:
        detail = f" ({error})" if str(error) else ""
        return _print_error(mask_words(f"out of memory{detail}; {_LESS_MEMORY}", words), code)
    if is_ours and not debug:
        return _print_error(mask_words(str(error), words), code)
    # A bug of this program, or `--debug`: a bug report needs the traceback.
    trace = "".join(traceback.format_exception(error))
    print_status(*mask_words(trace, words).splitlines())
    return code


def _print_error(message: str, code: int) -> int:
    """Returns the exit code, after printing the message."""
    print_status(f"tracker: error: {one_line(message)}")
    return code


class _StderrHandler(logging.Handler):
    """Writes lines such as `tracker: warning: ...` to the current stderr.

    Args:
        words: The command line; secrets of addresses in it are masked.
    """

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(logging.INFO)
        self._words = words

    def emit(self, record: logging.LogRecord) -> None:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        message = mask_words(record.getMessage(), self._words)
        print_status(f"tracker: {level}{one_line(message)}")


def _quiet_libraries() -> None:
    """Suppresses the start-up messages of libraries, unless the user set their variables."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
