"""The network that a training begins with: built, filled and frozen as its settings say.

Loads Keras when it is called.
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
    """Returns the network of a detector's training.

    Args:
        description: What it will be.
        choice: Its backbone, and the detector that it starts from.
        fill: Whether to read weights; a training that goes on has them in its checkpoint.

    Raises:
        ConfigError: The backbone has no layer to freeze up to.
        ModelError: A file to start from does not fit.
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
            _tell(f"start from {path}, the same classes: all weights")
        else:
            copy_features(source, network)
            _tell(f"start from {path}, other classes: all weights but the last class layers'")
    _finish(network, choice, fill=fill)
    return network


def start_reid(dimension: int, choice: BackboneChoice, *, fill: bool) -> Any:
    """Returns the network of an appearance network's training.

    Args:
        dimension: `D`, values of an embedding.
        choice: Its backbone, and the file that it starts from.
        fill: Whether to read weights; a training that goes on has them in its checkpoint.

    Raises:
        ConfigError: The backbone has no layer to freeze up to.
        ModelError: A file to start from does not fit.
        DependencyError: Keras lacks the backbone, or cannot fetch its weights.
    """
    from tracker.models.reid import build_reid

    network = build_reid(dimension, backbone=choice.name)
    if choice.whole is not None and fill:
        network.set_weights(load_reid(choice.whole).get_weights())
        _tell(f"start from {choice.whole}")
    _finish(network, choice, fill=fill)
    return network


def load_keras(seed: int) -> None:
    """Loads Keras with the training loop, and seeds all its random numbers.

    Raises:
        DependencyError: Keras or its backend cannot be loaded.
    """
    # TensorFlow's C++ code prints its opinion of the machine to standard error.
    with native_output_logged():
        try:
            import keras

            import tracker.training.loop  # noqa: F401
        except ImportError as error:
            raise DependencyError(f"training: Keras cannot be loaded: {error}") from error
    keras.utils.set_random_seed(seed)


def check_start(path: str, start: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Checks that a file to start from has the network to train.

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
    """Checks that a folder can be made or is there, before anything slow begins.

    Raises:
        OutputError: Something else is in its place.
    """
    for place in (out, *out.parents):
        if place.exists():
            if not place.is_dir():
                raise OutputError(f"{out}: cannot be made: {place} is no folder")
            return


def _finish(network: Any, choice: BackboneChoice, *, fill: bool) -> None:
    from tracker.models.backbones.weights import load_backbone
    from tracker.training.freezing import freeze_for_good

    if fill and choice.weights != NONE:
        load_backbone(network, choice)
        _tell(f"start from {choice.weights}: the backbone, {choice.name}")
    freeze_for_good(network, choice)


def _tell(fact: str) -> None:
    print_status(fact)
