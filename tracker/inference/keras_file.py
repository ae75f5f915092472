"""Loads `.keras` files that plain `model.save()` wrote, if they contain only known layers.

A file names the classes that it consists of, and Keras instantiates them. Keras opens the file only
after every one of them was found to be a layer or a tensor operation without side effects, so that
a file can neither run code nor read other files.
"""

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tracker.errors import DataError, ModelError
from tracker.util.archives import ZIP_ERRORS, check_members, check_weights_member, read_member
from tracker.util.json_text import parse_json
from tracker.util.paths import unreadable_text

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MODELS = frozenset({"Functional", "Model", "Sequential"})
_HARMLESS = {
    "keras": _MODELS | {"DTypePolicy"},
    "keras.models": _MODELS,
    "keras.src.models.functional": _MODELS,
    "keras.src.models.sequential": _MODELS,
    None: frozenset({"__keras_tensor__"}),
}
"""Classes and functions that a file may name besides layers, by module."""
_HARMLESS_MODULES = ("keras.initializers", "keras.regularizers", "keras.constraints")
_OPERATIONS = (
    *("keras.src.ops.numpy", "keras.src.ops.nn", "keras.src.ops.math", "keras.src.ops.image"),
    "keras.src.ops.linalg",
)
"""Modules of tensor operations."""

PLAIN_LAYERS = frozenset(
    {
        *("InputLayer", "Flatten", "Dense", "PReLU", "Conv2D", "DepthwiseConv2D", "Softmax"),
        *("SeparableConv2D", "MaxPooling2D", "AveragePooling2D", "ZeroPadding2D", "Cropping2D"),
        *("BatchNormalization", "LayerNormalization", "Normalization", "Rescaling", "Concatenate"),
        *("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Activation", "ReLU"),
        *("LeakyReLU", "ELU", "Identity", "Dropout", "AlphaDropout", "GaussianDropout"),
        *("GaussianNoise", "ActivityRegularization", "SpatialDropout2D"),
        *("GlobalAveragePooling2D", "GlobalMaxPooling2D"),
        *("Reshape", "Permute", "RepeatVector", "UpSampling1D", "UpSampling2D", "Resizing"),
        *("Conv1D", "Conv3D", "Conv2DTranspose", "DepthwiseConv1D", "SeparableConv1D"),
        *("MaxPooling1D", "MaxPooling3D", "AveragePooling1D", "AveragePooling3D"),
        *("GlobalAveragePooling1D", "GlobalMaxPooling1D", "ZeroPadding1D", "Cropping1D"),
        *("AdaptiveAveragePooling2D", "AdaptiveMaxPooling2D", "CenterCrop", "Dot"),
        *("GroupNormalization", "RMSNormalization", "SpectralNormalization", "Masking"),
        *("Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention"),
        *("Embedding", "EinsumDense", "SpatialDropout1D", "SpatialDropout3D", "RandomFlip"),
        *("RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomCrop"),
        *("RandomBrightness", "LSTM", "GRU", "SimpleRNN", "LSTMCell", "GRUCell", "Bidirectional"),
        *("TimeDistributed", "ConvLSTM2D", "Discretization", "UnitNormalization"),
    }
)
"""Keras layers without side effects, those of window classifiers included."""


def load_keras_file(
    path: Path, *, what: str, layers: Collection[str], advice: str, any_operation: bool = False
) -> Any:
    """Returns the model of a file, for inference.

    Args:
        path: A `.keras` file of Keras 3.
        what: What the messages call the file, with its path.
        layers: Names of the Keras layers that the file may contain.
        advice: Advice for the message about any other layer.
        any_operation: Whether `keras.ops` operations outside layers are allowed as well.

    Raises:
        ModelError: The file is missing, no such archive, damaged, declares more than it contains,
            contains another layer, or Keras cannot load it.
    """
    config = _read_config(path, what)
    _check_config(config, what, layers, advice, any_operation=any_operation)
    try:
        check_weights_member(path, _WEIGHTS)
    except DataError as error:
        raise ModelError(f"{what}: {error}") from error
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except MemoryError:
        raise
    except Exception as error:  # h5py and Keras raise many classes of errors
        reason = (str(error).splitlines() or ["no message"])[0]
        raise ModelError(f"{what}: Keras cannot load it: {reason}") from error


def member_names(path: Path, *, what: str) -> frozenset[str]:
    """Returns the names of an archive's members, after checking that it is complete.

    Args:
        path: The file.
        what: What the messages call it, with its path.

    Raises:
        ModelError: The file cannot be read, is no archive, is damaged, or declares too large a
            size.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
            with zipfile.ZipFile(file) as archive:
                check_members(archive)
                broken = archive.testzip()
                names = frozenset(archive.namelist())
    except DataError as error:
        raise ModelError(f"{what}: {error}") from error
    except (*ZIP_ERRORS, ValueError) as error:
        reason = (
            "the archive is cut short or damaged; copy it again"
            if start.startswith(b"PK")
            else "expected a .keras archive of Keras 3, got something else"
        )
        raise ModelError(f"{what}: {reason}") from error
    except OSError as error:
        raise ModelError(f"{what}: {unreadable_text(path, error)}") from error
    if broken is not None:
        raise ModelError(f"{what}: {broken} in it is damaged; copy it again")
    return names


def _read_config(path: Path, what: str) -> dict[str, Any]:
    names = member_names(path, what=what)
    if not {_CONFIG, _WEIGHTS} <= names:
        raise ModelError(f"{what}: expected a model that model.save() wrote")
    try:
        with zipfile.ZipFile(path) as archive:
            config = parse_json(read_member(archive, _CONFIG))
    except (DataError, OSError, *ZIP_ERRORS) as error:
        raise ModelError(f"{what}: {_CONFIG} in it: {error}") from error
    if not isinstance(config, dict):
        raise ModelError(f"{what}: expected a model that model.save() wrote")
    return {key: value for key, value in config.items() if key != "compile_config"}


def _check_config(
    config: Any, what: str, layers: Collection[str], advice: str, *, any_operation: bool
) -> None:
    """Raises unless a file names only known layers and their parts."""
    waiting = [config]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        if not isinstance(node, dict):
            continue
        waiting += node.values()
        name, module = node.get("class_name"), node.get("module")
        if name is None:
            continue
        known = isinstance(name, str) and (module is None or isinstance(module, str))
        if not known or not (
            module in _HARMLESS_MODULES
            or (module == "keras.layers" and name in layers)
            or (any_operation and module in _OPERATIONS)
            or name in _HARMLESS.get(module, frozenset())
        ):
            inner = node.get("config")
            called = inner.get("name") if isinstance(inner, dict) else None
            shown = f" called {called}" if isinstance(called, str) else ""
            raise ModelError(f"{what}: a {name} (of {module}){shown} {advice}")
