"""Third-party networks in Keras 3's `.keras` format, run by TensorFlow.

Files are loaded in Keras' safe mode, which refuses files that contain code.
"""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from tracker.errors import ModelError
from tracker.inference.captured_stderr import native_output_logged
from tracker.inference.checked_call import Arrays, run_network
from tracker.inference.devices import Device, check_threads, tensorflow_device
from tracker.inference.digests import network_file_digest
from tracker.inference.keras_file import PLAIN_LAYERS, load_keras_file
from tracker.inference.network import TensorSpec
from tracker.inference.stored_names import NOTHING_STORED, StoredFacts
from tracker.inference.tensorflow import load_tensorflow


class KerasNetwork:
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
        check_threads(threads)
        chosen, file = Device.parse(device), Path(path)
        self._what = f"network {file}"
        self._digests = MappingProxyType({file.name: network_file_digest(file)})
        self._tf = load_tensorflow()
        self._device = tensorflow_device(chosen, threads=threads)
        with native_output_logged(), self._tf.device(self._device):
            model = _loaded(file, self._what)
            taken, given = _structures(model, self._what)
            self._inputs = _specs(taken, _input_names(taken))
            self._outputs = _specs(given, _output_names(model, given))
            self._function = _function(self._tf, model, taken, self._inputs)

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Specifications of the inputs."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Specifications of the outputs."""
        return self._outputs

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of the file, by file name."""
        return self._digests

    @property
    def stored(self) -> StoredFacts:
        """Empty: such a file stores neither class names nor a task."""
        return NOTHING_STORED

    def run(self, arrays: Arrays) -> list[NDArray[Any]]:
        """Returns the outputs, in the order of `outputs`; see `Network.run`.

        Raises:
            ModelError: The arrays do not fit the inputs, or the network fails.
        """
        return run_network(
            self._call, arrays, what=self._what, inputs=self._inputs, outputs=self._outputs
        )

    def _call(self, arrays: Arrays) -> list[NDArray[Any]]:
        with self._tf.device(self._device):
            results = self._function(*map(self._tf.constant, arrays))
        return [result.numpy() for result in results]


def _loaded(file: Path, what: str) -> Any:
    return load_keras_file(
        file,
        what=what,
        layers=PLAIN_LAYERS,
        advice="is no layer that is loaded from third-party files; export the network as a "
        "SavedModel (model.export) where its code is",
        any_operation=True,
    )


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


def _specs(tensors: Any, names: list[str]) -> tuple[TensorSpec, ...]:
    import keras

    return tuple(
        TensorSpec(name, tuple(tensor.shape), keras.backend.standardize_dtype(tensor.dtype))
        for name, tensor in zip(names, keras.tree.flatten(tensors), strict=True)
    )


def _input_names(taken: Any) -> list[str]:
    import keras

    return [str(tensor.name) for tensor in keras.tree.flatten(taken)]


def _output_names(model: Any, given: Any) -> list[str]:
    import keras

    if isinstance(given, dict) and len(given) == len(keras.tree.flatten(given)):
        return sorted(given)
    if isinstance(model, keras.Sequential):
        return [str(model.layers[-1].name)]
    return list(model.output_names)


def _function(tf: Any, model: Any, taken: Any, inputs: tuple[TensorSpec, ...]) -> Any:
    """Returns the network as one TensorFlow function, traced once for all dimensions left open."""
    import keras

    def run(*arrays: Any) -> list[Any]:
        results = model(keras.tree.pack_sequence_as(taken, list(arrays)), training=False)
        return list(keras.tree.flatten(results))

    specs = [
        tf.TensorSpec(spec.shape, spec.dtype, name=f"input_{n}") for n, spec in enumerate(inputs)
    ]
    return tf.function(run, input_signature=specs)
