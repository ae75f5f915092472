"""Third-party networks in `.tflite` files, run by LiteRT on the CPU.

All operations built into the interpreter are available, `TFLite_Detection_PostProcess` among them;
TensorFlow's own ("flex" operations) are not.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.errors import ConfigError, DependencyError, ModelError
from tracker.inference.captured_stderr import native_output_logged
from tracker.inference.checked_call import Arrays, first_line
from tracker.inference.devices import Device, check_threads
from tracker.inference.digests import network_file_digest
from tracker.inference.litert import available_cores
from tracker.inference.loaded_network import LoadedNetwork
from tracker.inference.network import TensorSpec
from tracker.inference.stored_names import StoredFacts, archive_facts


class TensorOrder(NamedTuple):
    """Names in a file's signature, in an order of the caller's.

    Attributes:
        inputs: Names of all inputs.
        outputs: Names of all outputs.
    """

    inputs: Sequence[str]
    outputs: Sequence[str]


class LiteRtRunner(LoadedNetwork):
    """A `.tflite` on LiteRT.

    Integer inputs are given as the file declares them. Quantized outputs are returned as float32.
    Dimensions that the file leaves open may change from call to call; each change makes LiteRT
    allocate its tensors again.

    Inputs and outputs are named as in the file's signature where it has one, else as its tensors.

    Args:
        model: Path of the file, or its content.
        what: Its name in messages.
        digests: SHA-256 of the files that define it, by name.
        stored: Class names and task that its files store.
        threads: CPU threads; `None` = one for each core that this process may use.
        order: The order of inputs and outputs; `None` keeps that of the file.

    Raises:
        ModelError: LiteRT cannot load it.
        ConfigError: Fewer threads than one.
        DependencyError: LiteRT cannot be loaded.
    """

    def __init__(
        self,
        model: Path | bytes,
        *,
        what: str,
        digests: Mapping[str, str],
        stored: StoredFacts,
        threads: int | None,
        order: TensorOrder | None = None,
    ) -> None:
        check_threads(threads)
        self._what = what
        self._digests = MappingProxyType(dict(digests))
        self._stored = stored
        self._interpreter = _interpreter(model, what, threads=threads or available_cores())
        names = _signature_names(self._interpreter)
        taken = self._interpreter.get_input_details()
        given = self._interpreter.get_output_details()
        if order is not None:
            taken, given = (
                _ordered(taken, names, order.inputs),
                _ordered(given, names, order.outputs),
            )
        self._inputs = tuple(_spec(tensor, names, tensor["dtype"]) for tensor in taken)
        self._outputs = tuple(
            _spec(tensor, names, np.float32 if _scales(tensor) is not None else tensor["dtype"])
            for tensor in given
        )
        self._places = [int(tensor["index"]) for tensor in taken]
        self._results = [(int(tensor["index"]), tensor, _scales(tensor)) for tensor in given]
        self._shapes: list[tuple[int, ...]] | None = None
        if not _has_open_sides(self._interpreter):
            self._shapes = [tuple(map(int, tensor["shape"])) for tensor in taken]

    def _call(self, arrays: Arrays) -> list[NDArray[Any]]:
        self._resize([array.shape for array in arrays])
        for place, array in zip(self._places, arrays, strict=True):
            self._interpreter.set_tensor(place, array)
        self._interpreter.invoke()
        return [
            _dequantized(self._interpreter.get_tensor(place), tensor, scales)
            for place, tensor, scales in self._results
        ]

    def _resize(self, shapes: list[tuple[int, ...]]) -> None:
        """Allocates tensors for inputs of these shapes, unless they are allocated already."""
        if shapes == self._shapes:
            return
        # A failed allocation leaves no tensors: the next call has to allocate in any case.
        self._shapes = None
        for place, shape, spec in zip(self._places, shapes, self._inputs, strict=True):
            if spec.shape:
                self._interpreter.resize_tensor_input(place, shape, strict=True)
        self._interpreter.allocate_tensors()
        self._shapes = shapes


class LiteRtNetwork(LiteRtRunner):
    """A network in a `.tflite` file; see `LiteRtRunner`.

    Args:
        path: The file.
        threads: CPU threads; `None` = one for each core that this process may use.
        device: `cpu` or `auto`.

    Raises:
        ModelError: The file is missing, cut short, no `.tflite`, or contains an operation that
            LiteRT does not have.
        ConfigError: The device is a GPU or unknown, or there are fewer threads than one.
        DependencyError: LiteRT cannot be loaded.
    """

    def __init__(
        self, path: str | PathLike[str], *, threads: int | None = None, device: str = "cpu"
    ) -> None:
        check_threads(threads)
        if Device.parse(device).kind == "gpu":
            raise ConfigError(f"network {path}: a .tflite runs on the CPU, got device {device}")
        file = Path(path)
        super().__init__(
            file,
            what=f"network {file}",
            digests={file.name: network_file_digest(file)},
            stored=archive_facts(file),
            threads=threads,
        )


def _interpreter(model: Path | bytes, what: str, *, threads: int) -> Any:
    source = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
    try:
        # LiteRT's C++ code prints a line about its CPU delegate to standard error.
        with native_output_logged():
            from ai_edge_litert.interpreter import Interpreter

            interpreter = Interpreter(**source, num_threads=threads)
            if not _has_open_sides(interpreter):
                interpreter.allocate_tensors()
    except ImportError as error:
        raise DependencyError(f"LiteRT cannot be loaded: {error}") from error
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{what}: LiteRT cannot load it: {first_line(error)}") from error
    return interpreter


def _has_open_sides(interpreter: Any) -> bool:
    """Returns whether a dimension of an input is open.

    LiteRT takes it for 1 until it gets another length; kernels of convolutions may be larger.
    """
    return any((tensor["shape_signature"] < 0).any() for tensor in interpreter.get_input_details())


def _signature_names(interpreter: Any) -> dict[int, str]:
    """Returns tensor names by index from a file's signature, if it has exactly one."""
    signatures = interpreter.get_signature_list()
    if len(signatures) != 1:
        return {}
    runner = interpreter.get_signature_runner(next(iter(signatures)))
    named = {**runner.get_input_details(), **runner.get_output_details()}
    return {int(tensor["index"]): name for name, tensor in named.items()}


def _ordered(
    tensors: Sequence[dict[str, Any]], names: Mapping[int, str], order: Sequence[str]
) -> list[dict[str, Any]]:
    by_name = {names[int(tensor["index"])]: tensor for tensor in tensors}
    return [by_name[name] for name in order]


def _spec(tensor: Mapping[str, Any], names: Mapping[int, str], dtype: Any) -> TensorSpec:
    sides = tensor["shape_signature"] if len(tensor["shape_signature"]) else tensor["shape"]
    return TensorSpec(
        names.get(int(tensor["index"]), tensor["name"]),
        tuple(int(side) if side >= 0 else None for side in sides),
        np.dtype(dtype).name,
    )


def _scales(tensor: Mapping[str, Any]) -> NDArray[np.float32] | None:
    """Returns the quantization scales of an integer tensor; `None` for a tensor without."""
    scales: NDArray[np.float32] = tensor["quantization_parameters"]["scales"]
    is_integer = np.issubdtype(tensor["dtype"], np.integer)
    return scales if is_integer and len(scales) else None


def _dequantized(
    values: NDArray[Any], tensor: Mapping[str, Any], scales: NDArray[np.float32] | None
) -> NDArray[Any]:
    """Returns the dequantized values: `(value - zero point) * scale`."""
    if scales is None:
        return values
    parameters = tensor["quantization_parameters"]
    sides = [1] * values.ndim
    if len(scales) > 1:
        sides[parameters["quantized_dimension"]] = len(scales)
    zeros = parameters["zero_points"].astype(np.float32).reshape(sides)
    plain: NDArray[np.float32] = (values.astype(np.float32) - zeros) * scales.reshape(sides)
    return plain
