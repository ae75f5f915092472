"""Loads the weights of a backbone from a file, or those that keras.applications publishes.

The backbone is filled layer by layer, by name. Only the keyword `imagenet` downloads anything.
"""

import contextlib
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import keras

from tracker.errors import DependencyError, ModelError
from tracker.models.backbones.efficientnet_lite import efficientnet_lite_features, put_torch_weights
from tracker.models.backbones.load import application, backbone_layers
from tracker.models.backbones.names import (
    APPLICATIONS,
    IMAGENET,
    LITE,
    NONE,
    SHUFFLENETS,
    BackboneChoice,
)
from tracker.models.backbones.onnx_file import read_onnx_convolutions
from tracker.models.backbones.shufflenet import put_onnx_weights, shufflenet_features
from tracker.models.backbones.torch_file import read_torch_weights
from tracker.models.files.detector_file import load_detector
from tracker.models.files.reid_file import FORMAT as REID_FORMAT
from tracker.models.files.reid_file import load_reid
from tracker.models.files.tflite import MEMBER
from tracker.util.archives import H5_ERRORS, ZIP_ERRORS, check_h5, read_member
from tracker.util.json_text import parse_json


def load_backbone(network: Any, choice: BackboneChoice) -> None:
    """Loads the weights of a network's backbone; neck and head are unchanged.

    A `.keras` file may contain a larger backbone that includes this one.

    Args:
        network: Of `build_yolo` or `build_reid` with the backbone of the choice; modified in place.
        choice: The source of the weights; `none` changes nothing.

    Raises:
        ModelError: The file is missing, malformed, or lacks layers of the backbone.
        DependencyError: Keras cannot download the published weights.
    """
    if choice.weights == NONE:
        return
    have = {layer.name: layer for layer in _source(choice) if layer.weights}
    wanted = [layer for layer in backbone_layers(network) if _is_learned(layer)]
    lacking = [layer.name for layer in wanted if _shapes(have.get(layer.name)) != _shapes(layer)]
    if lacking:
        shown = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
        raise ModelError(
            f"backbone_weights {choice.weights}: expected all {len(wanted)} layers of "
            f"{choice.name}, got {len(wanted) - len(lacking)}; missing, or of another shape: "
            f"{shown}; name the backbone that the file holds"
        )
    for layer in wanted:
        layer.set_weights(have[layer.name].get_weights())


def _is_learned(layer: Any) -> bool:
    # EfficientNetB0 to B7 keep mean and variance of pixels there; here they are in
    # `backbone_scale`.
    return bool(layer.weights) and not isinstance(layer, keras.layers.Normalization)


def _shapes(layer: Any) -> list[tuple[int, ...]]:
    return [] if layer is None else [tuple(weight.shape) for weight in layer.weights]


def _source(choice: BackboneChoice) -> list[Any]:
    """Returns the layers of the weights' source."""
    if choice.weights == IMAGENET:
        return list(_published(choice.name).layers)
    choice.check_file()
    path = Path(choice.weights)
    if path.suffix == ".keras":
        return list(_load_own_network(path).layers)
    if path.suffix == ".pth":
        return list(_from_torch(choice.name, path).layers)
    if path.suffix == ".onnx":
        return list(_from_onnx(choice.name, path).layers)
    return list(_from_h5(choice.name, path).layers)


def _published(name: str) -> Any:
    with warnings.catch_warnings():
        # MobileNets warn that weights for 224x224 pixels are used at any size, as intended.
        warnings.filterwarnings("ignore", message=".*`input_shape` is undefined.*")
        try:
            # Keras prints its progress to stdout, which is reserved for results.
            with contextlib.redirect_stdout(sys.stderr):
                return application(name, weights="imagenet")
        except DependencyError:
            raise
        except Exception as error:  # `get_file` passes on the connection's errors
            raise DependencyError(
                f"backbone_weights imagenet: Keras could not download the weights of {name} "
                f"({_first_line(error)}); give the path of a file, or none"
            ) from error


def _load_own_network(path: Path) -> Any:
    """Returns the detector or the appearance network in a file of this package."""
    try:
        with zipfile.ZipFile(path) as archive:
            record = parse_json(read_member(archive, MEMBER))
            is_reid = record.get("format") == REID_FORMAT
    except (*ZIP_ERRORS, KeyError, ValueError, AttributeError, OSError):
        is_reid = False  # `load_detector` reports what is wrong.
    return load_reid(path) if is_reid else load_detector(path)


def _from_h5(name: str, path: Path) -> Any:
    """Returns a network with the weights that Keras wrote to an HDF5 file."""
    if name in APPLICATIONS:
        network = application(name)
    elif name in LITE:
        image = keras.Input((None, None, 3))
        network = keras.Model(image, efficientnet_lite_features(image, name))
    elif name in SHUFFLENETS:
        image = keras.Input((None, None, 3))
        network = keras.Model(image, shufflenet_features(image, name))
    else:
        raise ModelError(f"backbone_weights {path}: expected a .keras file for {name}")
    _check_h5(path)
    try:
        network.load_weights(path)
    except MemoryError:
        raise
    except Exception as error:  # h5py and Keras raise many classes of errors
        raise ModelError(
            f"backbone_weights {path}: expected weights that Keras wrote of {name} without its "
            f"top, got something else: {_first_line(error)}"
        ) from error
    return network


def _check_h5(path: Path) -> None:
    try:
        check_h5(path, path.stat().st_size)
    except OSError:
        return  # Keras reports a file that is no HDF5.
    except H5_ERRORS as error:
        raise ModelError(f"backbone_weights {path}: {_first_line(error)}") from error


def _from_torch(name: str, path: Path) -> Any:
    """Returns an EfficientNet-Lite with the weights that its authors published."""
    if name not in LITE:
        raise ModelError(f"backbone_weights {path}: expected a .keras or .h5 file for {name}")
    image = keras.Input((None, None, 3))
    network = keras.Model(image, efficientnet_lite_features(image, name))
    try:
        put_torch_weights(network, read_torch_weights(path))
    except (KeyError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(
            f"backbone_weights {path}: expected weights of {name}, got those of another network: "
            f"{_first_line(error)}"
        ) from error
    return network


def _from_onnx(name: str, path: Path) -> Any:
    """Returns a ShuffleNetV2 with the weights of the backbone of a NanoDet."""
    if name not in SHUFFLENETS:
        raise ModelError(f"backbone_weights {path}: expected a .keras or .h5 file for {name}")
    image = keras.Input((None, None, 3))
    network = keras.Model(image, shufflenet_features(image, name))
    try:
        put_onnx_weights(network, name, read_onnx_convolutions(path))
    except ValueError as error:
        raise ModelError(
            f"backbone_weights {path}: expected a NanoDet on {name}, got another network: "
            f"{_first_line(error)}"
        ) from error
    return network


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
