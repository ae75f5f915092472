"""Names to objects: the only place that knows which class a word in the configuration means.

Comes in: a `Config` and the source as the user typed it. Goes out: open sources and pipelines.
Stages are imported when they are needed, so that nobody waits for what is not used.
"""

import dataclasses
from fractions import Fraction

from tracker.builtin import DETECTORS, EMBEDDER
from tracker.config import CameraCompensation, Config, DetectorConfig
from tracker.detections import Detector, Embedder
from tracker.errors import ConfigError, nearest
from tracker.frames import Source
from tracker.models.detector_file import CONFIDENCE
from tracker.pipeline import NoEmbedder, Pipeline
from tracker.sources.kind import SourceKind, source_kind
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.settings import DeepSortSettings
from tracker.tracks import CameraObserver

MOTION = "motion"
"""Detector name: background subtraction for fixed cameras."""

FCN = "fcn"
"""Detector name: a classifier of windows that slides over the frame."""

RECORDED_BIRTH_SHARE = 0.83
"""Recorded detections below this share of their median score start no track."""

RECORDED_MEAN_SHARE = 0.88
"""Tracks of recorded detections that score less on average are not believed. Both shares were
chosen on the public detections of MOT15, see docs/tracking.md."""

NO_EMBEDDER = "none"
"""Embedder name: no appearance."""

AUTO_EMBEDDER = "auto"
"""Embedder name: the one of this package where a detector of objects is chosen, none otherwise:
what merely moves, or fits a window, looks like anything; recordings may have no pictures."""


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
    if config.detector.detections is not None and kind is SourceKind.IMAGES:
        from tracker.sources.blank import BlankSequence, has_no_pictures

        if has_no_pictures(text):
            _check_needs_no_pictures(text, config)
            return BlankSequence(text, start_s=settings.start_s, stride=settings.stride)
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
    detector = build_detector(config)
    config = dataclasses.replace(config, tracking=_with_score_limits(config, detector))
    return Pipeline(
        detector=detector,
        embedder=build_embedder(config),
        camera_motion=build_camera_motion(config),
        tracker=DeepSort(config.tracking),
        config=config.to_json(),
    )


def _with_score_limits(config: Config, detector: Detector) -> DeepSortSettings:
    """Returns the tracking settings with `birth_score` and `min_mean_score` filled in.

    Detectors filter by `confidence` before. Recorded detections come unfiltered, on a scale that
    only the recording tells, so limits there are shares of its median score.
    """
    from tracker.detection.replay import ReplayDetector

    usual = detector.median_score if isinstance(detector, ReplayDetector) else 0.0
    tracking = config.tracking
    birth, mean = tracking.birth_score, tracking.min_mean_score
    return dataclasses.replace(
        tracking,
        birth_score=RECORDED_BIRTH_SHARE * usual if birth is None else birth,
        min_mean_score=RECORDED_MEAN_SHARE * usual if mean is None else mean,
    )


def build_detector(config: Config) -> Detector:
    """Returns the detector that `config.detector` names.

    Raises:
        ConfigError: The name is unknown, or options do not belong to the detector.
        ModelError: A model file is missing or malformed.
    """
    choice = config.detector
    if choice.scales is not None and (choice.name != FCN or choice.detections is not None):
        raise ConfigError(
            f"detector.scales {list(choice.scales)}: only detector {FCN!r} looks at several sizes "
            "of a frame; leave it out"
        )
    if choice.detections is not None:
        return _replay_detector(config)
    if choice.name == MOTION:
        return _motion_detector(config)
    if choice.name == FCN:
        return _fcn_detector(choice)
    if choice.name in DETECTORS:
        return _builtin_detector(config)
    if choice.name.lower().endswith((".keras", ".tflite")):
        return _own_detector(config)
    if not choice.name.lower().endswith(".cfg"):
        known = [*DETECTORS, MOTION, FCN]
        raise ConfigError(
            f"unknown detector {choice.name!r}{nearest(choice.name, known)}; expected "
            f"{', '.join(map(repr, known))}, a .keras file that `tracker train "
            "detector` wrote, a .tflite that `tracker export` wrote, or a Darknet .cfg"
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


def _fcn_detector(choice: DetectorConfig) -> Detector:
    from tracker.detection.fcn_detector import FcnDetector, FcnSettings
    from tracker.detection.runtimes.base import RuntimeKind

    if choice.weights is None:
        raise ConfigError(
            f"detector {FCN}: --weights is missing; name the .keras file of a window classifier"
        )
    network = choice.network
    of_others = {
        "input_size": network.input_size,
        "runtime": None if network.runtime is RuntimeKind.AUTO else network.runtime.value,
        "cache_dir": network.cache_dir,
    }
    for name, value in of_others.items():
        if value is not None:
            raise ConfigError(
                f"detector.network.{name} {value}: detector {FCN!r} slides over frames at their "
                "own size, on TensorFlow; leave it out (detector.scales=[1,0.5] looks at others)"
            )
    settings = FcnSettings(
        scales=(1.0,) if choice.scales is None else choice.scales,
        confidence=CONFIDENCE if network.confidence is None else network.confidence,
        iou=network.iou,
        max_detections=network.max_detections,
        classes=network.classes,
        nms_mode=network.nms_mode,
        device=network.device,
        threads=network.threads,
    )
    return FcnDetector.load(choice.weights, names=choice.names, settings=settings)


def _builtin_detector(config: Config) -> Detector:
    from tracker.detection.yolo_detector import YoloDetector

    choice = config.detector
    _check_alone(choice)
    return YoloDetector.load_builtin(choice.name, settings=choice.network)


def _own_detector(config: Config) -> Detector:
    from tracker.detection.yolo_detector import YoloDetector

    choice = config.detector
    _check_alone(choice)
    if choice.name.lower().endswith(".tflite"):
        return YoloDetector.load_exported(choice.name, settings=choice.network)
    return YoloDetector.load_keras(choice.name, settings=choice.network)


def _check_alone(choice: DetectorConfig) -> None:
    for option, value in (("--weights", choice.weights), ("--names", choice.names)):
        if value is not None:
            raise ConfigError(
                f"{option} {value}: detector {choice.name} holds its weights and class names "
                f"itself; leave {option} out"
            )


def embedder_name(config: Config) -> str:
    """Returns the embedder that a configuration means, `auto` resolved."""
    choice = config.detector
    if config.embedder.name != AUTO_EMBEDDER:
        return config.embedder.name
    detects = choice.detections is None and choice.name not in (MOTION, FCN)
    return EMBEDDER if detects else NO_EMBEDDER


def build_embedder(config: Config) -> Embedder:
    """Returns the embedder that `config.embedder` names.

    Raises:
        ConfigError: The name is unknown.
        ModelError: The file is missing, damaged, or no appearance network of ours.
    """
    choice, name = config.embedder, embedder_name(config)
    if name == NO_EMBEDDER:
        return NoEmbedder()
    if name != EMBEDDER and not name.lower().endswith((".keras", ".tflite")):
        known = [AUTO_EMBEDDER, EMBEDDER, NO_EMBEDDER]
        raise ConfigError(
            f"unknown embedder {name!r}{nearest(name, known)}; expected "
            f"{', '.join(map(repr, known))}, or a .keras or .tflite file that `tracker train reid` "
            "or `tracker export` wrote"
        )
    from tracker.embedding.crop_embedder import CropEmbedder

    if name == EMBEDDER:
        return CropEmbedder.load_builtin(threads=choice.threads)
    return CropEmbedder.load(name, threads=choice.threads, cache_dir=choice.cache_dir)


def build_camera_motion(config: Config) -> CameraObserver | None:
    """Returns what estimates the camera's motion; `None` where nothing shall.

    Raises:
        ConfigError: The detector needs a camera that stands still.
    """
    if config.camera_motion is CameraCompensation.OFF:
        return None
    if config.detector.name == MOTION and config.detector.detections is None:
        raise ConfigError(
            "camera_motion flow: expected a detector for moving cameras, got 'motion', for which "
            "all that moves is an object; name a network with --detector small or a file"
        )
    from tracker.camera_motion import CameraMotionEstimator

    return CameraMotionEstimator()


def _check_needs_no_pictures(text: str, config: Config) -> None:
    if embedder_name(config) != NO_EMBEDDER:
        raise ConfigError(
            f"{text}: appearance needs pictures and the sequence has none; expected embedder "
            f"{NO_EMBEDDER!r}, got {config.embedder.name!r}"
        )
    if config.camera_motion is not CameraCompensation.OFF:
        raise ConfigError(
            f"{text}: the camera's motion is seen in pictures and the sequence has none; expected "
            f"camera_motion 'off', got {config.camera_motion.value!r}"
        )


def _replay_detector(config: Config) -> Detector:
    from tracker.detection.replay import ReplayDetector

    choice = config.detector
    others = {
        "--detector": None if choice.name == DetectorConfig().name else choice.name,
        "--weights": choice.weights,
        "--names": choice.names,
    }
    for option, value in others.items():
        if value is not None:
            raise ConfigError(
                f"--detections {choice.detections} and {option} {value}: detections are either "
                "replayed or made anew; leave one out"
            )
    assert choice.detections is not None
    return ReplayDetector(choice.detections, classes=choice.network.classes or ())


def _motion_detector(config: Config) -> Detector:
    from tracker.detection.motion import MotionDetector

    choice = config.detector
    for option, value in (("--weights", choice.weights), ("--names", choice.names)):
        if value is not None:
            raise ConfigError(
                f"{option} {value}: the motion detector has no model; name the model with "
                "--detector small or a file"
            )
    detector = MotionDetector(choice.motion)
    for name in choice.network.classes or ():
        if name not in detector.class_names:
            raise ConfigError(
                f"unknown class {name!r}: the motion detector knows only "
                f"{', '.join(detector.class_names)}; classes of objects need a network, see "
                "--detector small or a file"
            )
    return detector
