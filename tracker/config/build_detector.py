"""Builds the detector that the configuration names.

Detectors are imported when they are needed, so that unused ones cost no start-up time.
"""

import dataclasses
import zipfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from tracker.config.run import Config, DetectorConfig
from tracker.detection.class_filter import FilteredDetector
from tracker.detection.default_names import Names
from tracker.detection.function_detector import as_detector
from tracker.detection.model_choice import Declaration, input_choice
from tracker.detection.seams import MergeSettings
from tracker.detection.slice_grid import OFF, parse_slices
from tracker.detection.sliced import SlicedDetector
from tracker.detection.yolo_detector import DetectorSettings
from tracker.detections import AnyDetector, TimedDetector
from tracker.errors import ConfigError, ModelError, nearest
from tracker.models.files.class_names import read_class_names
from tracker.models.files.detector_file import CONFIDENCE
from tracker.models.files.read import weights_beside
from tracker.models.files.tflite import MEMBER, is_exported
from tracker.registry.builtin import DETECTORS
from tracker.util.address import shown_source
from tracker.util.archives import ZIP_ERRORS
from tracker.util.callable_name import callable_name

MOTION = "motion"
"""Detector name: background subtraction for fixed cameras."""

FCN = "fcn"
"""Detector name: a sliding window classifier."""

KERAS_HUB = "kerashub:"
"""Prefix of the names of KerasHub presets."""


def build_detector(config: Config) -> TimedDetector:
    """Returns the detector that `config.detector` names.

    Raises:
        ConfigError: The name is unknown, or options do not apply to the detector.
        ModelError: A model file is missing or malformed.
        DependencyError: The library that runs the model is not installed.
    """
    choice = config.detector
    if choice.detections is not None:
        _check_defaults(choice, "scales", "slices", "model", why="detections are replayed")
        choice.network.refuse_half("replayed detections")
        return _replay_detector(config)
    builder = _builder(choice)
    if builder in {_fcn_detector, _motion_detector}:
        choice.network.refuse_half(f"detector {choice.name}")
        _check_sliceable(choice, choice.name)
    if builder is not _fcn_detector:
        _check_defaults(choice, "scales", why=f"only detector {FCN!r} has several scales")
    if builder is not _model_detector and builder is not _registered_detector:
        _check_defaults(
            choice, "model", why=f"detector {choice.name} has a fixed layout and preprocessing"
        )
    return _sliced(builder(choice), choice)


def prepare_detector(
    config: Config, detector: AnyDetector, class_names: Sequence[str] | None = None
) -> TimedDetector:
    """Returns the caller's detector object or function, prepared for a pipeline.

    Args:
        config: Its `detector.network.classes` are kept, and `detector.names` are the class names.
        detector: A function of an image, or an object with `detect`.
        class_names: Names of its classes, instead of `detector.names`.

    Raises:
        ConfigError: It is not a detector, or an option does not apply to it.
        ModelError: The file of names cannot be read.
    """
    choice = config.detector
    why = f"detector {callable_name(detector)} is given as an object"
    _check_defaults(choice, "weights", "detections", "scales", "model", "motion", why=why)
    if dataclasses.replace(choice.network, classes=None) != DetectorSettings():
        raise ConfigError(f"detector.network: {why}; leave all but 'classes' out")
    if class_names is None and choice.names is not None:
        class_names = read_class_names(choice.names)
    _check_sliceable(choice, given_detector_name(detector))
    ready = _sliced(as_detector(detector, class_names), choice)
    wanted = choice.network.classes
    return ready if wanted is None else FilteredDetector(ready, wanted)


def _check_sliceable(choice: DetectorConfig, name: str) -> None:
    reasons = {
        MOTION: "learns the background of whole frames",
        FCN: "slides over frames at their own size",
    }
    if name in reasons:
        _check_defaults(choice, "slices", why=f"detector {name!r} {reasons[name]}")


def _sliced(detector: TimedDetector, choice: DetectorConfig) -> TimedDetector:
    """Returns the detector, in tiles if the configuration says so."""
    if choice.slices == OFF:
        return detector
    network = choice.network
    return SlicedDetector(
        detector,
        parse_slices(choice.slices),
        overlap=choice.slice_overlap,
        merging=MergeSettings(network.iou, network.max_detections, network.nms_mode),
    )


def given_detector_name(detector: AnyDetector) -> str:
    """Returns the `detector.name` of the caller's detector object or function.

    Rules that depend on the name, such as the default embedder, apply to the object as well.
    """
    from tracker.detection.fcn_detector import FcnDetector
    from tracker.detection.motion import MotionDetector

    if isinstance(detector, MotionDetector):
        return MOTION
    return FCN if isinstance(detector, FcnDetector) else callable_name(detector)


def _builder(choice: DetectorConfig) -> Callable[[DetectorConfig], TimedDetector]:
    """Returns the function that builds the detector of a name."""
    name, suffix = choice.name, Path(choice.name).suffix.lower()
    is_own = suffix == ".keras" or (suffix == ".tflite" and is_exported(name))
    is_model = suffix in {".tflite", ".onnx", ".param", ".xml"} or name.startswith("https://")
    # The first match; the registry is only read if nothing before it matches.
    rules: tuple[tuple[Callable[[], bool], Callable[[DetectorConfig], TimedDetector]], ...] = (
        (lambda: name == MOTION, _motion_detector),
        (lambda: name == FCN, _fcn_detector),
        (lambda: name in DETECTORS, _builtin_detector),
        (lambda: name.startswith(KERAS_HUB), _keras_hub_detector),
        (lambda: suffix == ".cfg", _darknet_detector),
        (lambda: is_own, _own_detector),
        (lambda: is_model, _model_detector),
        (lambda: name in _registered_names(), _registered_detector),
        # Names take precedence: ./NAME is a folder with the name of a detector.
        (lambda: bool(name) and Path(name).is_dir(), _model_detector),
    )
    for matches, builder in rules:
        if matches():
            return builder
    known = [*DETECTORS, MOTION, FCN]
    raise ConfigError(
        f"unknown detector {shown_source(name)!r}{nearest(name, [*known, *_registered_names()])}; "
        f"expected {', '.join(map(repr, known))}, a name from `tracker models list`, a .keras "
        "of this package, a .tflite, an .onnx, an OpenVINO .xml, a Darknet .cfg, an ncnn .param, a "
        f"SavedModel folder, an https:// handle of TensorFlow Hub, or {KERAS_HUB}PRESET"
    )


def _fcn_detector(choice: DetectorConfig) -> TimedDetector:
    from tracker.detection.fcn_detector import FcnDetector, FcnSettings
    from tracker.inference.runtime_kind import RuntimeKind

    if choice.weights is None:
        raise ConfigError(
            f"detector {FCN}: --weights is missing; give the .keras file of a window classifier"
        )
    network = choice.network
    not_applicable = {
        "input_size": network.input_size,
        "runtime": None if network.runtime is RuntimeKind.AUTO else network.runtime.value,
        "cache_dir": network.cache_dir,
    }
    for name, value in not_applicable.items():
        if value is not None:
            raise ConfigError(
                f"detector.network.{name} {value}: detector {FCN!r} slides over frames at their "
                "own size, on TensorFlow; leave it out (other sizes: detector.scales=[1,0.5])"
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


def _builtin_detector(choice: DetectorConfig) -> TimedDetector:
    from tracker.detection.yolo_detector import YoloDetector

    _check_no_extra_files(choice)
    return YoloDetector.load_builtin(choice.name, settings=choice.network)


def _own_detector(choice: DetectorConfig) -> TimedDetector:
    from tracker.detection.yolo_detector import YoloDetector

    _check_no_extra_files(choice)
    if choice.name.lower().endswith(".tflite"):
        return YoloDetector.load_exported(choice.name, settings=choice.network)
    _check_own_keras(Path(choice.name))
    return YoloDetector.load_keras(choice.name, settings=choice.network)


def _check_own_keras(path: Path) -> None:
    """Checks that a `.keras` archive has the members that this package adds.

    Raises:
        ModelError: It is another Keras model.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except (OSError, ValueError, *ZIP_ERRORS):
        return  # Loading it raises the error.
    if "config.json" in members and MEMBER not in members:
        raise ModelError(
            f"detector {path}: expected a .keras that `tracker train detector` wrote, got another "
            "Keras model; export it as a SavedModel (model.export) or to ONNX and use that"
        )


def _check_no_extra_files(choice: DetectorConfig, *, allowed: str | None = None) -> None:
    """Checks that no weights or names are given for a model that contains its own.

    Args:
        choice: The detector.
        allowed: An option that is allowed.

    Raises:
        ConfigError: One is given.
    """
    for option in ("weights", "names"):
        value = getattr(choice, option)
        if value is not None and option != allowed:
            is_default = option == "weights" and choice.name == DetectorConfig().name
            other = ", or choose another model with --detector" if is_default else ""
            raise ConfigError(
                f"--{option} {value}: detector {choice.name} contains its weights and class "
                f"names; leave --{option} out{other}"
            )


def _replay_detector(config: Config) -> TimedDetector:
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
                "replayed or computed; leave one out"
            )
    assert choice.detections is not None
    return ReplayDetector(choice.detections, classes=choice.network.classes or ())


def _motion_detector(choice: DetectorConfig) -> TimedDetector:
    from tracker.detection.motion import MotionDetector

    for option, value in (("--weights", choice.weights), ("--names", choice.names)):
        if value is not None:
            raise ConfigError(
                f"{option} {value}: the motion detector has no model; choose one with "
                "--detector small, or a file"
            )
    detector = MotionDetector(choice.motion)
    for name in choice.network.classes or ():
        if name not in detector.class_names:
            raise ConfigError(
                f"unknown class {name!r}: the motion detector has only "
                f"{', '.join(detector.class_names)}; object classes need a network: "
                "--detector small, or a file"
            )
    return detector


def _darknet_detector(choice: DetectorConfig) -> TimedDetector:
    from tracker.detection.yolo_detector import YoloDetector

    weights = weights_beside(choice.name) if choice.weights is None else choice.weights
    return YoloDetector.load(
        choice.name, weights=weights, names=choice.names, settings=choice.network
    )


def _model_detector(choice: DetectorConfig) -> TimedDetector:
    from tracker.detection.load import load_model

    return load_model(
        choice.name,
        names=choice.names,
        choice=choice.model,
        settings=choice.network,
        weights=choice.weights,
        offline=choice.offline,
    )


def _registered_names() -> Collection[str]:
    from tracker.registry.models import read_registry

    return read_registry().entries.keys()


def _registered_detector(choice: DetectorConfig) -> TimedDetector:
    from tracker.detection.load import load_model
    from tracker.detection.yolo_detector import YoloDetector
    from tracker.registry.entries import DARKNET, Task
    from tracker.registry.models import resolve

    _check_no_extra_files(choice)
    found = resolve(choice.name)
    if found.entry.task is not Task.DETECTOR:
        raise ConfigError(f"detector {choice.name}: expected a detector, got an embedder")
    names = _class_names(found.classes)
    if found.entry.layout == DARKNET:
        _check_defaults(
            choice, "model", why=f"detector {choice.name} has a fixed layout and preprocessing"
        )
        cfg, weights = found.paths[:2]
        return YoloDetector.load(cfg, weights=weights, names=names, settings=choice.network)
    declared = Declaration(found.entry.layout, input_choice(found.entry.input.given()))
    return load_model(
        found.paths[0],
        names=names,
        choice=choice.model,
        settings=choice.network,
        declared=declared,
    )


def _class_names(classes: str | tuple[str, ...] | Path | None) -> Names:
    from tracker.detection.default_names import NAME_LISTS

    assert classes is not None  # of a detector
    return NAME_LISTS[classes] if isinstance(classes, str) else classes


def _keras_hub_detector(choice: DetectorConfig) -> TimedDetector:
    from tracker.detection.keras_hub.detector import load_keras_hub_detector

    _check_no_extra_files(choice, allowed="names")
    return load_keras_hub_detector(
        choice.name.removeprefix(KERAS_HUB),
        names=choice.names,
        settings=choice.network,
        offline=choice.offline,
    )


def _check_defaults(choice: DetectorConfig, *options: str, why: str) -> None:
    """Checks that options have their default values.

    Raises:
        ConfigError: One does not.
    """
    for option in options:
        value = getattr(choice, option)
        if value != getattr(DetectorConfig(), option):
            raise ConfigError(f"detector.{option} {value}: {why}; leave it out")
