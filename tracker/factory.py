"""Names to objects: the only place that knows which class a word in the configuration means.

Comes in: a `Config` and the source as the user typed it. Goes out: open sources and pipelines.
Stages are imported when they are needed, so that nobody waits for what is not used.
"""

from fractions import Fraction

from tracker.config import Config
from tracker.detections import Detector, Embedder
from tracker.errors import ConfigError, nearest
from tracker.frames import Source
from tracker.pipeline import NoEmbedder, Pipeline
from tracker.sources.kind import SourceKind, source_kind
from tracker.tracking.deepsort import DeepSort

MOTION = "motion"
"""Detector name: background subtraction for fixed cameras."""

NO_EMBEDDER = "none"
"""Embedder name: no appearance."""


def open_source(text: str, config: Config) -> Source:
    """Returns an open source.

    Args:
        text: A camera index, a video file, an image, a folder of images, a MOT sequence or a glob.
        config: Its `source` section says which frames.

    Raises:
        SourceError: It does not exist or cannot be read.
        ConfigError: A camera was given a start or a stride.
    """
    settings = config.source
    kind = source_kind(text)
    if kind is SourceKind.CAMERA:
        from tracker.sources.camera import Camera

        if settings.start_s or settings.stride != 1:
            raise ConfigError(
                f"camera {text}: source.start_s and source.stride need a recorded source; "
                "a camera always gives its newest frame"
            )
        return Camera(int(text))
    if kind is SourceKind.IMAGES:
        from tracker.sources.image_folder import ImageFolder

        return ImageFolder(
            text,
            fps=Fraction(settings.image_fps).limit_denominator(100_000),
            start_s=settings.start_s,
            stride=settings.stride,
        )
    from tracker.sources.video_file import VideoFile

    return VideoFile(text, start_s=settings.start_s, stride=settings.stride)


def build_pipeline(config: Config) -> Pipeline:
    """Returns the pipeline that a configuration describes.

    Raises:
        TrackerError: A model is missing or malformed, a class or device does not exist.
    """
    from tracker.opencv import cv2

    cv2.setRNGSeed(config.seed)
    return Pipeline(
        detector=build_detector(config),
        embedder=build_embedder(config),
        tracker=DeepSort(config.tracking),
        config=config.to_json(),
    )


def build_detector(config: Config) -> Detector:
    """Returns the detector that `config.detector` names.

    Raises:
        ConfigError: The name is unknown, or options do not belong to the detector.
        ModelError: A model file is missing or malformed.
    """
    choice = config.detector
    if choice.name == MOTION:
        return _motion_detector(config)
    if not choice.name.lower().endswith(".cfg"):
        raise ConfigError(
            f"unknown detector {choice.name!r}{nearest(choice.name, [MOTION])}; expected "
            f"{MOTION!r} or the path of a Darknet .cfg"
        )
    if choice.weights is None:
        raise ConfigError(f"detector {choice.name}: --weights is missing; name its .weights file")
    from tracker.detection.yolo_detector import YoloDetector

    return YoloDetector.load(
        choice.name,
        weights=choice.weights,
        names=choice.names,
        settings=choice.network,
    )


def build_embedder(config: Config) -> Embedder:
    """Returns the embedder that `config.embedder` names.

    Raises:
        ConfigError: The name is unknown.
    """
    name = config.embedder.name
    if name != NO_EMBEDDER:
        raise ConfigError(
            f"unknown embedder {name!r}{nearest(name, [NO_EMBEDDER])}; expected {NO_EMBEDDER!r}"
        )
    return NoEmbedder()


def _motion_detector(config: Config) -> Detector:
    from tracker.detection.motion import MotionDetector

    choice = config.detector
    for option, value in (("--weights", choice.weights), ("--names", choice.names)):
        if value is not None:
            raise ConfigError(
                f"{option} {value}: the motion detector has no model; name the model with "
                "--detector FILE.cfg"
            )
    detector = MotionDetector(choice.motion)
    for name in choice.network.classes or ():
        if name not in detector.class_names:
            raise ConfigError(
                f"unknown class {name!r}: the motion detector knows only "
                f"{', '.join(detector.class_names)}; classes of objects need a network, see "
                "--detector FILE.cfg"
            )
    return detector
