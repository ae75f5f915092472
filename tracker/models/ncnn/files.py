"""The two files of an ncnn network, `.param` and `.bin`."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import MappingProxyType

from tracker.errors import ModelError
from tracker.inference.digests import network_file_digest
from tracker.inference.keras_runner import NamedModel
from tracker.inference.stored_names import StoredFacts
from tracker.models.ncnn.syntax import NcnnParam, read_ncnn_param
from tracker.util.paths import missing_text

SUFFIX = ".param"
"""File name suffix of the file of layers; that of weights ends in `.bin`."""

_YOLOX_SIDE = 416
_YOLOX_STEMS = (16, 24)
"""Channels of the first convolution of YOLOX-Nano and YOLOX-Tiny, the two of the family that were
trained for 416x416 (`test_size` in exps/default of github.com/Megvii-BaseDetection/YOLOX); the
larger ones, from 32 channels on, for 640x640."""


@dataclass(frozen=True, slots=True)
class NcnnFiles:
    """A parsed `.param` and its `.bin`.

    Attributes:
        path: The `.param` file.
        param: Its content.
        weights: The `.bin` file.
        digests: SHA-256 of both, by name.
    """

    path: Path
    param: NcnnParam
    weights: Path
    digests: Mapping[str, str]

    @property
    def what(self) -> str:
        """Name of the network in messages."""
        return f"network {self.path}"

    @property
    def stored(self) -> StoredFacts:
        """What the files tell of the network: no class names, and the size of some of YOLOX."""
        return StoredFacts(native_size=_native_size(self.param))

    def load(self) -> NamedModel:
        """Returns the network as a Keras model; its outputs in the order of the file.

        Raises:
            ModelError: The files do not fit each other, or a layer is not supported.
        """
        import keras

        from tracker.models.ncnn.load import load_parsed

        model = load_parsed(self.param, self.weights)
        given = [model.output[name] for name in self.param.output_names]
        ordered = keras.Model(model.input, given)
        names = self.param.input_names, self.param.output_names
        return NamedModel(ordered, model.input, given, *names)


def read_ncnn_files(
    path: str | PathLike[str], weights: str | PathLike[str] | None = None
) -> NcnnFiles:
    """Returns the parsed `.param`; weights are not read yet, apart from their digest.

    Args:
        path: The `.param` file.
        weights: The `.bin` file; `None` for the one of the same name beside it.

    Raises:
        ModelError: A file is missing, or the `.param` is malformed.
    """
    file = Path(path)
    param = read_ncnn_param(file)
    binary = _weights_beside(file) if weights is None else Path(weights)
    digests = {part.name: network_file_digest(part) for part in (file, binary)}
    return NcnnFiles(file, param, binary, MappingProxyType(digests))


def _weights_beside(path: Path) -> Path:
    """Returns the path of the `.bin` of the same name beside a `.param` that exists.

    Raises:
        ModelError: There is no such file.
    """
    weights = path.with_suffix(".bin")
    if not weights.exists():
        raise ModelError(
            f"ncnn param {path}: expected its weights beside it, of the same name, but {weights} "
            f"{missing_text(weights)}; name them with --weights"
        )
    return weights


def _native_size(param: NcnnParam) -> tuple[int, int] | None:
    """Returns height and width that a network was trained for; `None` if its layers do not tell.

    Only YOLOX starts with the layer `YoloV5Focus`; its files leave the size open.
    """
    focused = {
        name for layer in param.layers if layer.type == "YoloV5Focus" for name in layer.outputs
    }
    for layer in param.layers:
        if layer.type == "Convolution" and focused & set(layer.inputs):
            is_small = layer.integer(0) in _YOLOX_STEMS
            return (_YOLOX_SIDE, _YOLOX_SIDE) if is_small else None
    return None
