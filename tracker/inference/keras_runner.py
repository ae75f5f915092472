"""Runs a Keras model as one TensorFlow function, behind checked arrays."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from numpy.typing import NDArray

from tracker.inference.captured_stderr import native_output_logged
from tracker.inference.checked_call import Arrays
from tracker.inference.devices import Device, check_threads, tensorflow_device
from tracker.inference.loaded_network import LoadedNetwork
from tracker.inference.network import TensorSpec
from tracker.inference.stored_names import NOTHING_STORED, StoredFacts
from tracker.inference.tensorflow import load_tensorflow


class NamedModel(NamedTuple):
    """A Keras model with names for its inputs and outputs, in the order of `keras.tree.flatten`.

    Attributes:
        model: The model.
        taken: Its symbolic inputs, nested as in its call.
        given: Its symbolic outputs, nested as it returns them.
        input_names: A name for each input.
        output_names: A name for each output.
    """

    model: Any
    taken: Any
    given: Any
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]


class KerasRunner(LoadedNetwork):
    """A Keras model on TensorFlow; it is traced once for all dimensions that are open.

    Args:
        load: Returns the model; called after TensorFlow was set up.
        what: Its name in messages.
        digests: SHA-256 of the files that define it, by name.
        stored: What its files store about it.
        threads: CPU threads of TensorFlow; `None` keeps its default.
        device: `cpu`, `gpu`, `gpu:N`, or `auto`: a GPU where TensorFlow sees one.

    Raises:
        ConfigError: The device is unknown, or TensorFlow already runs with other threads.
        DeviceError: The requested GPU is not available.
        DependencyError: TensorFlow cannot be loaded.
    """

    def __init__(
        self,
        load: Callable[[], NamedModel],
        *,
        what: str,
        digests: Mapping[str, str],
        threads: int | None,
        device: str,
        stored: StoredFacts = NOTHING_STORED,
    ) -> None:
        check_threads(threads)
        chosen = Device.parse(device)
        self._what = what
        self._digests = MappingProxyType(dict(digests))
        self._stored = stored
        self._tf = load_tensorflow()
        self._device = tensorflow_device(chosen, threads=threads)
        with native_output_logged(), self._tf.device(self._device):
            loaded = load()
            self._inputs = _specs(loaded.taken, loaded.input_names)
            self._outputs = _specs(loaded.given, loaded.output_names)
            self._function = _function(self._tf, loaded, self._inputs)

    def _call(self, arrays: Arrays) -> list[NDArray[Any]]:
        with self._tf.device(self._device):
            results = self._function(*map(self._tf.constant, arrays))
        return [result.numpy() for result in results]


def _specs(tensors: Any, names: tuple[str, ...]) -> tuple[TensorSpec, ...]:
    import keras

    return tuple(
        TensorSpec(name, tuple(tensor.shape), keras.backend.standardize_dtype(tensor.dtype))
        for name, tensor in zip(names, keras.tree.flatten(tensors), strict=True)
    )


def _function(tf: Any, loaded: NamedModel, inputs: tuple[TensorSpec, ...]) -> Any:
    """Returns the network as one TensorFlow function."""
    import keras

    def run(*arrays: Any) -> list[Any]:
        taken = keras.tree.pack_sequence_as(loaded.taken, list(arrays))
        return list(keras.tree.flatten(loaded.model(taken, training=False)))

    specs = [
        tf.TensorSpec(spec.shape, spec.dtype, name=f"input_{n}") for n, spec in enumerate(inputs)
    ]
    return tf.function(run, input_signature=specs)
