"""The commands `run` and `cameras`; nothing heavy is imported before they run."""

from typing import Annotated

import typer

from tracker.cli.help_groups import GroupedCommand
from tracker.cli.options import (
    Attempts,
    Blur,
    BlurIds,
    BoxLines,
    ClassFilter,
    ClassNames,
    ClipMargin,
    ClipsFolder,
    ColorOf,
    Confidence,
    ConfigFile,
    CropsFolder,
    CropsPerTrack,
    DetectEvery,
    Device,
    EventsFile,
    FontScale,
    InputSize,
    LabelTexts,
    LineScale,
    MaxFrames,
    Mqtt,
    NoClobber,
    NoProgress,
    OverlapLimit,
    Runtime,
    Seed,
    Slices,
    StartTime,
    Stride,
    TrailSeconds,
    VideoEncoderName,
    VideoScale,
    Webhook,
    ZonesFile,
)
from tracker.cli.parsing import RunCommand
from tracker.errors import ConfigError
from tracker.util.terminal import print_results, print_status


def add_commands(app: typer.Typer) -> None:
    """Adds the commands of this module to the program."""
    app.command(cls=RunCommand)(run)
    app.command(cls=GroupedCommand)(cameras)


def cameras() -> None:
    """List the cameras of this computer, with names, frame sizes and rates."""
    from tracker.cli.cameras import camera_lines, no_camera_text
    from tracker.sources.live.camera_list import list_cameras

    found = list_cameras()
    if found:
        print_results(*camera_lines(found))
    else:
        print_status(no_camera_text())


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
    video_scale: VideoScale = None,
    video_encoder: VideoEncoderName = None,
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
    crops_per_track: CropsPerTrack = None,
    clips: ClipsFolder = None,
    clip_margin: ClipMargin = None,
    no_clobber: NoClobber = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue a run that was interrupted, with the same ids and files."
        ),
    ] = False,
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
    labels: LabelTexts = None,
    color_by: ColorOf = None,
    boxes: BoxLines = None,
    line_scale: LineScale = None,
    font_scale: FontScale = None,
    trail: TrailSeconds = None,
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
    names: ClassNames = None,
    detections: Annotated[
        str | None,
        typer.Option(help="Replay detections made earlier: MOT det.txt or our JSON."),
    ] = None,
    classes: ClassFilter = None,
    embedder: Annotated[
        str | None,
        typer.Option(
            help="Appearance: auto, builtin, detector, none, or a file that maps crops to vectors. "
            "[auto]"
        ),
    ] = None,
    conf: Confidence = None,
    iou: OverlapLimit = None,
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
    reconnect: Attempts = None,
    detect_every: DetectEvery = None,
    half: Annotated[
        bool,
        typer.Option(
            "--half",
            help="Compute in 16 bits: float16 on GPUs (runtime xla), bfloat16 on CPUs (openvino).",
        ),
    ] = False,
    max_frames: MaxFrames = None,
    stride: Stride = None,
    start: StartTime = None,
    link: Annotated[
        bool,
        typer.Option(
            "--link", help="One global id for tracks that look alike, across all sources."
        ),
    ] = False,
    seed: Seed = None,
    config: ConfigFile = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override one key: tracking.max_age_s=4.")
    ] = None,
    no_progress: NoProgress = False,
) -> None:
    """Track the objects of one or several sources; write, show or print the result."""
    from tracker.util.collection import loading

    with loading():
        from tracker.cli.run.configuration import run_config
        from tracker.cli.run.dependent_options import (
            CLIPS,
            CROPS,
            DRAWN,
            LIVE,
            VIDEO,
            check_dependent_options,
        )
        from tracker.cli.run.object_files import ObjectFiles
        from tracker.cli.run.one import RunRequest
        from tracker.cli.run.one import run as run_one
        from tracker.cli.run.outputs import Outputs
        from tracker.sinks.json_records import Embeddings
        from tracker.sinks.place import Existing
        from tracker.sources.source_kind import is_live_source

        options = {
            "detector": detector,
            "weights": weights,
            "names": names,
            "detections": detections,
            "classes": classes,
            "conf": conf,
            "iou": iou,
            "imgsz": imgsz,
            "slices": slices,
            "device": device,
            "runtime": runtime,
            "half": half,
            "detect_every": detect_every,
            "embedder": embedder,
            "segmenter": segmenter,
            "background": background,
            "blur": blur,
            "blur_ids": blur_ids,
            "labels": labels,
            "color_by": color_by,
            "boxes": boxes,
            "line_scale": line_scale,
            "font_scale": font_scale,
            "trail": trail,
            "video_scale": video_scale,
            "video_encoder": video_encoder,
            "policy": policy,
            "max_frames": max_frames,
            "stride": stride,
            "start": start,
            "link": link,
            "zones": zones,
            "seed": seed,
            "reconnect": reconnect,
            "crops_per_track": crops_per_track,
            "clip_margin": clip_margin,
        }
        settings = run_config(config, set_ or (), options)
        has_video = video or save_dir
        is_there = {VIDEO: has_video, DRAWN: has_video or show, CROPS: crops, CLIPS: clips}
        check_dependent_options(options, is_there | {LIVE: any(map(is_live_source, source))})
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
            objects=ObjectFiles.of_options(crops, crops_per_track, clips, clip_margin),
            embeddings=Embeddings.INCLUDE if embeddings else Embeddings.OMIT,
            existing=Existing.REFUSE if no_clobber else Existing.REPLACE,
        )
    if resume and len(source) > 1:
        raise ConfigError("--resume: expected one source, got several; use tracker batch")
    request = RunRequest(
        tuple(source),
        settings,
        outputs,
        progress=not no_progress,
        config_file=config,
        resume=resume,
    )
    if len(source) == 1:
        raise typer.Exit(run_one(request))
    from tracker.cli.run.many import run_many

    raise typer.Exit(run_many(request))
