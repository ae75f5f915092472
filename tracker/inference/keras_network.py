"""Third-party networks in Keras 3's `.keras` format, run by TensorFlow.

Files are loaded in Keras' safe mode, which refuses files that contain code.
"""

from os import PathLike
from pathlib import Path
from typing import Any

from tracker.errors import ModelError
from tracker.inference.devices import Device, check_threads
from tracker.inference.digests import network_file_digest
from tracker.inference.keras_file import PLAIN_LAYERS, load_keras_file
from tracker.inference.keras_runner import KerasRunner, NamedModel


class KerasNetwork(KerasRunner):
    """A network in a `.keras` file; inputs and outputs in the order in which Keras flattens them.

    Outputs are named by their keys if the network returns a dictionary, else by their layers.

    Args:
        path: The file.
        threads: CPU threads of TensorFlow; `None` keeps its default.
        device: `cpu`, `gpu`, `gpu:N`, or `auto`: a GPU where TensorFlow sees one.

    Raises:
        ModelError: The file is missing, damaged, needs code that is not part of Keras, or contains
            a network without declared inputs.
        ConfigError: The device is unknown, or TensorFlow already runs with other threads.
        DeviceError: The requested GPU is not available.
        DependencyError: TensorFlow cannot be loaded.
    """

    def __init__(
        self, path: str | PathLike[str], *, threads: int | None = None, device: str = "cpu"
    ) -> None:
        file = Path(path)
        what = f"network {file}"
        # Bad threads and devices are reported first, and TensorFlow is loaded last.
        check_threads(threads)
        Device.parse(device)
        super().__init__(
            lambda: _loaded(file, what),
            what=what,
            digests={file.name: network_file_digest(file)},
            threads=threads,
            device=device,
        )


def _loaded(file: Path, what: str) -> NamedModel:
    model = load_keras_file(
        file,
        what=what,
        layers=PLAIN_LAYERS,
        advice="is no layer that is loaded from third-party files; export the network as a "
        "SavedModel (model.export) where its code is",
        any_operation=True,
    )
    taken, given = _structures(model, what)
    return NamedModel(model, taken, given, _input_names(taken), _output_names(model, given))


def _structures(model: Any, what: str) -> tuple[Any, Any]:
    """Returns the symbolic inputs and outputs of a network, nested as in its own call."""
    import keras

    if isinstance(model, keras.Sequential) and model.built:
        return model.inputs[0], model.outputs[0]
    if not isinstance(model, keras.Sequential) and getattr(model, "inputs", None):
        return model.input, model.output
    raise ModelError(
        f"{what}: expected a network with declared inputs, got {type(model).__name__} without; "
        "export it as a SavedModel"
    )


def _input_names(taken: Any) -> tuple[str, ...]:
    import keras

    return tuple(str(tensor.name) for tensor in keras.tree.flatten(taken))


def _output_names(model: Any, given: Any) -> tuple[str, ...]:
    import keras

    if isinstance(given, dict) and len(given) == len(keras.tree.flatten(given)):
        return tuple(sorted(given))
    if isinstance(model, keras.Sequential):
        return (str(model.layers[-1].name),)
    return tuple(model.output_names)
