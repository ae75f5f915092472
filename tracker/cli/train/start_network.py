"""The initial network of a training: built, with weights loaded and layers frozen as configured.

Keras is loaded by the first call.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tracker.detection.default_names import default_class_names
from tracker.errors import DependencyError, ModelError, OutputError
from tracker.inference.captured_stderr import native_output_logged
from tracker.models.backbones.names import NONE, BackboneChoice
from tracker.models.backbones.onnx_file import read_onnx_convolutions
from tracker.models.files.detector_file import (
    DetectorDescription,
    HeadStyle,
    build_detector,
    load_detector,
    read_description,
)
from tracker.models.files.reid_file import load_reid
from tracker.models.integral_shape import published_class_count, published_size
from tracker.util.terminal import print_status


def start_detector(description: DetectorDescription, choice: BackboneChoice, *, fill: bool) -> Any:
    """Returns the initial network of a detector training.

    Args:
        description: Size, classes and backbone of the detector.
        choice: Its backbone, and the source of the initial weights.
        fill: Whether to load weights; a resumed training has them in its checkpoint.

    Raises:
        ConfigError: The backbone lacks the layer named by `frozen_until`.
        ModelError: A file of initial weights does not fit.
        DependencyError: Keras lacks the backbone, or cannot fetch its weights.
    """
    from tracker.models.yolo import copy_features

    network = build_detector(description)
    path = choice.whole
    if path is not None and fill and is_published(path):
        _fill_published(network, description, Path(path))
        print_status(f"start from {path}, a published network: all weights")
    elif path is not None and fill:
        source = load_detector(path)
        if read_description(path).class_names == description.class_names:
            network.set_weights(source.get_weights())
            print_status(f"start from {path}, same classes: all weights")
        else:
            copy_features(source, network)
            print_status(f"start from {path}, other classes: all but the last class layers")
    _load_and_freeze_backbone(network, choice, fill=fill)
    return network


def is_published(path: str) -> bool:
    """Returns whether a file of initial weights is a published network."""
    return Path(path).suffix == ".onnx"


def check_teacher(path: str, class_names: Sequence[str]) -> None:
    """Checks that a teacher exists and has the classes to train, before Keras is loaded.

    Args:
        path: A `.keras` detector with integral boxes, or the `.onnx` of a NanoDet-Plus.
        class_names: Names of the classes to train.

    Raises:
        ModelError: It is missing, of another kind, or has other classes.
        DependencyError: The package `onnx` is not installed.
    """
    names: Sequence[str]
    if is_published(path):
        convolutions = read_onnx_convolutions(Path(path))
        published_size(convolutions)
        names = default_class_names(published_class_count(convolutions))
    else:
        description = read_description(path)
        if description.style is not HeadStyle.INTEGRAL:
            raise ModelError(f"network.teacher {path}: expected integral heads, got anchor-free")
        names = description.class_names
    if tuple(names) != tuple(class_names):
        raise ModelError(
            f"network.teacher {path}: expected the classes of the data, {len(class_names)} from "
            f"{class_names[0]!r} to {class_names[-1]!r}, got {len(names)} from {names[0]!r} to "
            f"{names[-1]!r}; name all of them, in this order, in the data file"
        )


def load_teacher(path: str) -> Any:
    """Returns a teacher's network, frozen.

    Args:
        path: As for `check_teacher`.
    """
    if is_published(path):
        from tracker.models.integral import build_integral
        from tracker.models.nanodet_plus import put_published_weights

        convolutions = read_onnx_convolutions(Path(path))
        size = published_size(convolutions)
        network = build_integral(size, published_class_count(convolutions))
        put_published_weights(network, size, convolutions)
    else:
        network = load_detector(path)
    network.trainable = False
    return network


def _fill_published(network: Any, description: DetectorDescription, path: Path) -> None:
    """Sets the weights of a network to those of a published NanoDet-Plus of the same classes."""
    from tracker.models.nanodet_plus import put_published_weights

    convolutions = read_onnx_convolutions(path)
    count = published_class_count(convolutions)
    if description.style is not HeadStyle.INTEGRAL or count != len(description.class_names):
        raise ModelError(
            f"network.weights {path}: expected a network of {len(description.class_names)} classes "
            f"with {description.style.value} heads, got a NanoDet-Plus of {count}; give --heads "
            "integral, and all of its classes in the data file"
        )
    put_published_weights(network, description.size, convolutions)


def start_reid(dimension: int, choice: BackboneChoice, *, fill: bool) -> Any:
    """Returns the initial network of an appearance network training.

    Args:
        dimension: Embedding size `D`.
        choice: Its backbone, and the source of the initial weights.
        fill: Whether to load weights; a resumed training has them in its checkpoint.

    Raises:
        ConfigError: The backbone lacks the layer named by `frozen_until`.
        ModelError: A file of initial weights does not fit.
        DependencyError: Keras lacks the backbone, or cannot fetch its weights.
    """
    from tracker.models.reid import build_reid

    network = build_reid(dimension, backbone=choice.name)
    if choice.whole is not None and fill:
        network.set_weights(load_reid(choice.whole).get_weights())
        print_status(f"start from {choice.whole}")
    _load_and_freeze_backbone(network, choice, fill=fill)
    return network


def load_keras(seed: int) -> None:
    """Loads Keras with the training loop, and seeds all its random numbers.

    Raises:
        DependencyError: Keras or its backend cannot be loaded.
    """
    # TensorFlow's C++ code prints messages about the machine to standard error.
    with native_output_logged():
        try:
            import keras

            import tracker.training.loop  # noqa: F401
        except ImportError as error:
            raise DependencyError(f"training: Keras cannot be loaded: {error}") from error
    keras.utils.set_random_seed(seed)


def check_start(path: str, start: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Checks that a file of initial weights has the architecture to train.

    Args:
        path: The file.
        start: Properties of the network in the file, by the option that sets them (`backbone`).
        wanted: The same properties of the network to train.

    Raises:
        ModelError: One differs.
    """
    for option, value in wanted.items():
        if start[option] != value:
            raise ModelError(
                f"network.weights {path}: expected {option} {value!r}, got {start[option]!r}; "
                f"give --{option} {start[option]}"
            )


def check_output(out: Path) -> None:
    """Checks that a folder exists or can be created, before anything slow starts.

    Raises:
        OutputError: The path or one of its parents is a file.
    """
    for path in (out, *out.parents):
        if path.exists():
            if not path.is_dir():
                raise OutputError(f"{out}: cannot be created: {path} is not a folder")
            return


def _load_and_freeze_backbone(network: Any, choice: BackboneChoice, *, fill: bool) -> None:
    from tracker.models.backbones.weights import load_backbone
    from tracker.training.freezing import freeze_for_good

    if fill and choice.weights != NONE:
        load_backbone(network, choice)
        print_status(f"start from {choice.weights}: the backbone, {choice.name}")
    freeze_for_good(network, choice)
