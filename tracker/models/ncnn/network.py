"""ncnn networks behind the interface of all networks, run by TensorFlow."""

from os import PathLike
from pathlib import Path

from tracker.errors import ModelError
from tracker.inference.devices import Device, check_threads
from tracker.inference.digests import network_file_digest
from tracker.inference.keras_runner import KerasRunner, NamedModel
from tracker.models.ncnn.syntax import NcnnParam, read_ncnn_param
from tracker.util.paths import missing_text

SUFFIX = ".param"
"""File name suffix of the file of layers; that of weights is beside it and ends in `.bin`."""


class NcnnNetwork(KerasRunner):
    """A network in a `.param` and a `.bin` file.

    Images are `(B, H, W, C)` float32. Outputs are named as in ncnn, in the order of the file, and
    have ncnn's axes after the batch: `(B, w)`, `(B, h, w)` or `(B, c, h, w)`. int8 weights are
    widened to float32; ncnn's rounding of activations to int8 is left out.

    Args:
        path: The `.param` file.
        threads: CPU threads of TensorFlow; `None` keeps its default.
        device: `cpu`, `gpu`, `gpu:N`, or `auto`: a GPU where TensorFlow sees one.

    Raises:
        ModelError: A file is missing or malformed, or has a layer that is not supported.
        ConfigError: The device is unknown, or TensorFlow already runs with other threads.
        DeviceError: The requested GPU is not available.
        DependencyError: TensorFlow cannot be loaded.
    """

    def __init__(
        self, path: str | PathLike[str], *, threads: int | None = None, device: str = "cpu"
    ) -> None:
        # Bad threads, devices and files are reported before TensorFlow is loaded.
        check_threads(threads)
        Device.parse(device)
        file = Path(path)
        param, weights = read_ncnn_param(file), weights_beside_param(file)
        super().__init__(
            lambda: _loaded(param, weights),
            what=f"network {file}",
            digests={part.name: network_file_digest(part) for part in (file, weights)},
            threads=threads,
            device=device,
        )


def weights_beside_param(path: Path) -> Path:
    """Returns the path of the `.bin` of the same name beside a `.param`.

    Args:
        path: The `.param` file, which exists.

    Raises:
        ModelError: There is no such file.
    """
    weights = path.with_suffix(".bin")
    if not weights.exists():
        raise ModelError(
            f"ncnn param {path}: expected its weights beside it, of the same name, but {weights} "
            f"{missing_text(weights)}"
        )
    return weights


def _loaded(param: NcnnParam, weights: Path) -> NamedModel:
    import keras

    from tracker.models.ncnn.load import load_parsed

    model = load_parsed(param, weights)
    given = [model.output[name] for name in param.output_names]
    ordered = keras.Model(model.input, given)
    return NamedModel(ordered, model.input, given, param.input_names, param.output_names)
