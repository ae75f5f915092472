"""Builds sources, stages and pipelines from the configuration.

Stages are imported when they are needed, so that unused ones cost no start-up time.
"""

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tracker.config.build_detector import FCN, MOTION, build_detector, prepare_detector
from tracker.config.build_images import check_blur_classes
from tracker.config.run import CameraCompensation, Config, EmbedderConfig, SourceConfig
from tracker.detection.sliced import innermost
from tracker.detections import AnyDetector, Embedder, TimedDetector
from tracker.errors import ConfigError, nearest
from tracker.frames import Source
from tracker.pipeline.single import NoEmbedder, Pipeline
from tracker.registry.builtin import DETECTORS, EMBEDDER, detector_files
from tracker.sources.source_kind import SourceKind, source_kind
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.settings import DeepSortSettings
from tracker.tracks import CameraObserver
from tracker.util.address import shown_source

if TYPE_CHECKING:
    from tracker.pipeline.multi import MultiPipeline, StageFactories

NO_EMBEDDER = "none"
"""Embedder name: no appearance embeddings."""

DETECTOR_EMBEDDER = "detector"
"""Embedder name: features of the detector, which has to be one of this package."""

AUTO_EMBEDDER = "auto"
"""Embedder name: `builtin` with a detector of objects, else `none`: the network was not trained on
the boxes of `motion` and `fcn`, and recorded detections may have no images."""


def open_source(text: str, config: Config) -> Source:
    """Returns an open source.

    Args:
        text: A camera, a stream's address, `-` for standard input, a video file, an image, a
            folder of images, a MOT sequence or a glob.
        config: Its `source` section selects the frames, and sets how live sources are read.

    Raises:
        SourceError: It does not exist or cannot be read.
        ConfigError: `start_s` or `stride` is set for a camera, a live stream or standard input.
    """
    settings = config.source
    kind = source_kind(text)
    if kind in (SourceKind.CAMERA, SourceKind.STREAM, SourceKind.PIPE):
        return _open_live(text, kind, settings)
    if kind is SourceKind.IMAGES and settings.video_stream is not None:
        raise _video_stream_error(text)
    if config.detector.detections is not None and kind is SourceKind.IMAGES:
        from tracker.sources.files.blank import BlankSequence, has_no_images

        if has_no_images(text):
            _check_needs_no_images(text, config)
            return BlankSequence(text, start_s=settings.start_s, stride=settings.stride)
    if kind is SourceKind.IMAGES:
        from tracker.sources.files.image_folder import ImageFolder

        return ImageFolder(
            text,
            fps=Fraction(settings.image_fps).limit_denominator(100_000),
            start_s=settings.start_s,
            stride=settings.stride,
        )
    from tracker.sources.files.video_file import VideoFile

    return VideoFile(
        text, start_s=settings.start_s, stride=settings.stride, decoding=settings.decoding()
    )


def _video_stream_error(text: str) -> ConfigError:
    return ConfigError(f"{text}: source.video_stream needs a video file or a stream; leave it out")


def _open_live(text: str, kind: SourceKind, settings: SourceConfig) -> Source:
    """Returns an open camera, stream or standard input."""
    if kind is SourceKind.STREAM:
        from tracker.sources.live.stream import NetworkStream

        return NetworkStream(
            text,
            settings.live,
            start_s=settings.start_s,
            stride=settings.stride,
            decoding=settings.decoding(),
        )
    if settings.start_s or settings.stride != 1:
        name = f"camera {text}" if kind is SourceKind.CAMERA else "a pipe"
        raise ConfigError(
            f"{name}: source.start_s and source.stride need a recorded source; leave them out"
        )
    if kind is SourceKind.PIPE:
        from tracker.sources.pipe import Pipe

        return Pipe(settings.live, decoding=settings.decoding(), name=text)
    if settings.video_stream is not None:
        raise _video_stream_error(f"camera {text}")
    from tracker.sources.live.camera import Camera
    from tracker.sources.live.camera_names import camera_index

    return Camera(camera_index(text), settings.live, find=lambda: camera_index(text))


def build_pipeline(
    config: Config,
    *,
    detector: AnyDetector | None = None,
    class_names: Sequence[str] | None = None,
) -> Pipeline:
    """Returns the pipeline of a configuration.

    Args:
        config: The configuration.
        detector: Replaces the configured detector.
        class_names: Names of the classes of `detector`, if it has no `class_names`.

    Raises:
        TrackerError: A model is missing or malformed, a class or device does not exist.
    """
    from tracker.util.opencv import cv2

    cv2.setRNGSeed(config.seed)
    _check_every(config)
    found = _detector(config, detector, class_names)
    config = _resolved(config, found)
    return Pipeline(
        detector=found,
        embedder=build_embedder(config),
        camera_motion=build_camera_motion(config),
        tracker=DeepSort(config.tracking),
        config=config.result_json(),
        detect_every=config.detector.every,
        link=config.linking if config.link else None,
    )


def _detector(
    config: Config, given: AnyDetector | None, class_names: Sequence[str] | None
) -> TimedDetector:
    if given is None:
        _check_link(config)
        found = build_detector(config)
    else:
        found = prepare_detector(config, given, class_names)
    check_blur_classes(config, found.class_names)
    return found


def build_multi_pipeline(
    config: Config,
    *,
    detector: AnyDetector | None = None,
    class_names: Sequence[str] | None = None,
) -> "MultiPipeline":
    """Returns the pipeline of a configuration for several sources.

    They share a network. Stages that learn from their source, or are prepared for its frame size,
    are created for each.

    Args:
        config: The configuration.
        detector: Replaces the configured detector; all sources share it.
        class_names: Names of the classes of `detector`, if it has no `class_names`.

    Raises:
        ConfigError: Detections of one source are replayed; or `detector` learns from its source
            and cannot be shared.
        TrackerError: A model is missing or malformed, a class or device does not exist.
    """
    factories, resolved = _stage_factories(config, detector, class_names)
    return _multi_pipeline(factories, resolved)


def build_shared_pipeline(config: Config) -> "MultiPipeline":
    """Returns a pipeline that may run in several threads at once, each with its own sources.

    The runs share a detector and an embedder, which process one call at a time.

    Raises:
        ConfigError: Detections of one source are replayed.
        TrackerError: A model is missing or malformed, a class or device does not exist.
    """
    from tracker.pipeline.serial import one_call_at_a_time

    factories, resolved = _stage_factories(config, None, None)
    return _multi_pipeline(one_call_at_a_time(factories), resolved)


def _multi_pipeline(factories: "StageFactories", config: Config) -> "MultiPipeline":
    from tracker.pipeline.multi import MultiPipeline

    return MultiPipeline(
        factories,
        config=config.result_json(),
        detect_every=config.detector.every,
        batch_wait_s=config.batch.wait_s,
        max_frames=config.source.max_frames,
        link=config.linking if config.link else None,
    )


def _stage_factories(
    config: Config, detector: AnyDetector | None, class_names: Sequence[str] | None
) -> "tuple[StageFactories, Config]":
    """Returns the factories of the stages of several sources, and the resolved configuration."""
    from tracker.pipeline.multi import StageFactories
    from tracker.util.opencv import cv2

    if config.detector.detections is not None:
        raise ConfigError(
            f"--detections {config.detector.detections}: expected one source, to which the "
            "detections belong, got several; run them one by one"
        )
    cv2.setRNGSeed(config.seed)
    _check_every(config)
    is_motion = config.detector.name == MOTION
    if is_motion and detector is not None:
        raise ConfigError(
            f"detector: a {type(detector).__name__} learns one background and cannot be shared by "
            f"several sources; use detector={MOTION!r}, which creates one for each"
        )
    found, embedder = _detector(config, detector, class_names), build_embedder(config)
    config = _resolved(config, found)
    build_camera_motion(config)  # To raise before the first frame.
    adapts = embedder_name(config) == DETECTOR_EMBEDDER
    factories = StageFactories(
        detector=(lambda: build_detector(config)) if is_motion else lambda: found,
        embedder=(lambda: build_embedder(config)) if adapts else lambda: embedder,
        camera_motion=lambda: build_camera_motion(config),
        tracker=lambda: DeepSort(config.tracking),
    )
    return factories, config


def _check_link(config: Config) -> None:
    is_without = embedder_name(config) == NO_EMBEDDER and config.detector.detections is None
    if config.link and is_without:
        raise ConfigError(
            f"--link: expected an embedder, got {NO_EMBEDDER!r}; global ids compare appearance: "
            "choose one with --embedder builtin, or a file"
        )


def _check_every(config: Config) -> None:
    choice = config.detector
    if choice.every > 1 and choice.name == MOTION and choice.detections is None:
        raise ConfigError(
            f"detector.every: expected 1 for detector {MOTION!r}, which learns the background from "
            f"all frames, got {choice.every}; use a network: --detector small, or a file"
        )


@runtime_checkable
class _Thresholded(Protocol):
    """A detector with a confidence threshold."""

    @property
    def confidence(self) -> float:
        """Detections with a score above this are kept."""
        ...


def _resolved(config: Config, detector: TimedDetector) -> Config:
    """Returns the configuration with the settings that depend on the detector filled in."""
    choice, inner = config.detector, innermost(detector)
    if choice.network.confidence is None and isinstance(inner, _Thresholded):
        network = dataclasses.replace(choice.network, confidence=inner.confidence)
        choice = dataclasses.replace(choice, network=network)
    return dataclasses.replace(config, detector=choice, tracking=tracking_settings(config))


def tracking_settings(config: Config) -> DeepSortSettings:
    """Returns the tracker's settings: `camera_motion: off` holds for boxes too."""
    if config.camera_motion is CameraCompensation.OFF:
        return dataclasses.replace(config.tracking, box_motion=False)
    return config.tracking


def embedder_name(config: Config) -> str:
    """Returns the name of the embedder, with `auto` resolved."""
    choice = config.detector
    if config.embedder.name != AUTO_EMBEDDER:
        return config.embedder.name
    detects = choice.detections is None and choice.name not in (MOTION, FCN)
    return EMBEDDER if detects else NO_EMBEDDER


def build_embedder(config: Config) -> Embedder:
    """Returns the embedder that `config.embedder` names.

    Raises:
        ConfigError: The name is unknown, or options do not belong to the embedder.
        ModelError: The network is missing, damaged, or does not map crops to vectors.
        DependencyError: The library that runs the network cannot be loaded.
    """
    choice, name = config.embedder, embedder_name(config)
    if name not in (NO_EMBEDDER, EMBEDDER, DETECTOR_EMBEDDER):
        from tracker.embedding.model_embedder import ModelEmbedder, is_network_of_others

        if is_network_of_others(name):
            return ModelEmbedder.load(
                name, crop_input=choice.input, threads=choice.threads, offline=choice.offline
            )
    if choice.input != EmbedderConfig().input:
        raise ConfigError(
            f"embedder.input: embedder {name!r} has fixed preprocessing; leave it out"
        )
    if name == NO_EMBEDDER:
        return NoEmbedder()
    if name == DETECTOR_EMBEDDER:
        return _detector_features(config)
    return _own_embedder(choice, name)


def _own_embedder(choice: EmbedderConfig, name: str) -> Embedder:
    if name != EMBEDDER and not name.lower().endswith((".keras", ".tflite")):
        known = [AUTO_EMBEDDER, EMBEDDER, DETECTOR_EMBEDDER, NO_EMBEDDER]
        raise ConfigError(
            f"unknown embedder {shown_source(name)!r}{nearest(name, known)}; expected "
            f"{', '.join(map(repr, known))}, or a network that maps crops to vectors: a .keras, "
            ".tflite, .onnx or OpenVINO .xml file, a SavedModel folder, or an https:// handle"
        )
    from tracker.embedding.crop_embedder import CropEmbedder

    if name == EMBEDDER:
        return CropEmbedder.load_builtin(threads=choice.threads)
    return CropEmbedder.load(name, threads=choice.threads, cache_dir=choice.cache_dir)


def _detector_features(config: Config) -> Embedder:
    choice = config.detector
    path = detector_files(choice.name).keras if choice.name in DETECTORS else Path(choice.name)
    if choice.detections is not None or path.suffix.lower() != ".keras":
        got = choice.name if choice.detections is None else f"recorded {choice.detections}"
        raise ConfigError(
            f"embedder {DETECTOR_EMBEDDER}: expected a detector of this package "
            f"({', '.join(DETECTORS)}, or a .keras of `tracker train detector`), got {got}; "
            f"use embedder {EMBEDDER}"
        )
    from tracker.embedding.detector_features import DetectorFeatures

    return DetectorFeatures.load(
        path,
        long_side=choice.network.input_size,
        threads=config.embedder.threads,
        cache_dir=config.embedder.cache_dir,
    )


def build_camera_motion(config: Config) -> CameraObserver | None:
    """Returns the estimator of camera motion from images; `None` where there is none.

    Raises:
        ConfigError: The detector needs a static camera.
    """
    is_fixed = config.detector.name == MOTION and config.detector.detections is None
    if config.camera_motion is CameraCompensation.FLOW:
        if is_fixed:
            raise ConfigError(
                "camera_motion flow: expected a detector for moving cameras, got 'motion', which "
                "detects anything that moves; use a network: --detector small, or a file"
            )
        from tracker.tracking.camera_motion import CameraMotionEstimator

        return CameraMotionEstimator()
    if is_fixed or config.camera_motion is CameraCompensation.OFF:
        return None
    from tracker.tracking.camera_watch import CameraWatch

    return CameraWatch()


def _check_needs_no_images(text: str, config: Config) -> None:
    if embedder_name(config) != NO_EMBEDDER:
        raise ConfigError(
            f"{text}: appearance needs images and the sequence has none; expected embedder "
            f"{NO_EMBEDDER!r}, got {config.embedder.name!r}"
        )
    if config.camera_motion is CameraCompensation.FLOW:
        raise ConfigError(
            f"{text}: camera motion needs images and the sequence has none; expected "
            f"camera_motion 'auto' or 'off', got {config.camera_motion.value!r}"
        )
