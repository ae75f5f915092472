"""The initial network of a training: built, with weights loaded and layers frozen as configured.

Keras is loaded by the first call.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracker.errors import DependencyError, ModelError, OutputError
from tracker.inference.captured_stderr import native_output_logged
from tracker.models.backbones.names import NONE, BackboneChoice
from tracker.models.files.detector_file import DetectorDescription, load_detector, read_description
from tracker.models.files.reid_file import load_reid
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
    from tracker.models.yolo import build_yolo, copy_features

    network = build_yolo(
        description.size, len(description.class_names), backbone=description.backbone
    )
    path = choice.whole
    if path is not None and fill:
        source = load_detector(path)
        if read_description(path).class_names == description.class_names:
            network.set_weights(source.get_weights())
            print_status(f"start from {path}, same classes: all weights")
        else:
            copy_features(source, network)
            print_status(f"start from {path}, other classes: all but the last class layers")
    _load_and_freeze_backbone(network, choice, fill=fill)
    return network


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
