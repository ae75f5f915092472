"""Networks run by OpenVINO on the CPU (extra `openvino`), which is loaded on first use.

Formats: OpenVINO's own `.xml` with a `.bin` beside it, `.onnx`, and `.tflite` without operations of
its own. Numbers are float32 unless bfloat16 is asked for.
"""

import importlib
from contextlib import suppress
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import ConfigError, DependencyError, ModelError
from tracker.inference.captured_stderr import native_output_logged
from tracker.inference.checked_call import Arrays
from tracker.inference.devices import Device, check_threads
from tracker.inference.digests import network_file_digest
from tracker.inference.litert import available_cores
from tracker.inference.loaded_network import LoadedNetwork
from tracker.inference.name_lists import numbered_names
from tracker.inference.network import TensorSpec
from tracker.inference.onnx_network import external_files
from tracker.inference.stored_names import StoredFacts, folder_facts, metadata_facts
from tracker.util.paths import missing_text

SUFFIX = ".xml"
"""File name suffix of OpenVINO's own format."""

_MOST_COMPILED = 4
"""Input shapes that stay compiled, for networks that accept several."""

_Shapes = tuple[tuple[int, ...], ...]


class OpenVinoNetwork(LoadedNetwork):
    """A network in a file that OpenVINO reads; inputs and outputs in the order of the file.

    A network with variable dimensions is compiled again for each new height and width, which takes
    about a second and makes it as fast as one of a fixed size; the last four stay compiled.

    Args:
        path: The file; the `.bin` of a `.xml` is beside it, as are external weights of an `.onnx`.
        threads: CPU threads; `None` = one for each core that this process may use.
        device: `cpu` or `auto`.
        half: Whether it computes in bfloat16, which has 8 bits of precision and which CPUs with AMX
            compute about twice as fast.
        batch: First dimension of its only input, in place of that of the file; `None` keeps it.

    Raises:
        ModelError: A file is missing or damaged, or has an operation that OpenVINO does not have.
        ConfigError: The device is a GPU or unknown, there are fewer threads than one, or the CPU
            has no bfloat16.
        DependencyError: OpenVINO is not installed.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        threads: int | None = None,
        device: str = "cpu",
        half: bool = False,
        batch: int | None = None,
    ) -> None:
        check_threads(threads)
        if Device.parse(device).kind == "gpu":
            raise ConfigError(
                f"network {path}: runtime openvino runs on the CPU here, got device {device}"
            )
        file = Path(path)
        self._what = f"network {file}"
        files = [file, *_files_beside(file)]
        self._digests = MappingProxyType({part.name: network_file_digest(part) for part in files})
        self._settings = _settings(threads or available_cores(), half=half)
        self._requests: dict[_Shapes, Any] = {}
        try:
            with native_output_logged():
                self._core = load_openvino().Core()
                if half:
                    _check_bfloat16(self._core)
                self._model = self._core.read_model(str(file))
                if batch is not None:
                    self._model.reshape([batch, *tuple(self._model.input().shape)[1:]])
                self._inputs = _specs(self._model.inputs, "input")
                self._outputs = _specs(self._model.outputs, "output")
                self._is_fixed = not self._model.is_dynamic()
                if self._is_fixed:
                    self._request_for([])
        except RuntimeError as error:
            raise ModelError(f"{self._what}: OpenVINO cannot load it: {_reason(error)}") from error
        self._stored = _stored(self._model, file)

    def _call(self, arrays: Arrays) -> list[NDArray[Any]]:
        request = self._request_for(arrays)
        # Inputs are not copied. `order` keeps arrays without dimensions, unlike ascontiguousarray.
        given = {place: np.asarray(array, order="C") for place, array in enumerate(arrays)}
        try:
            request.infer(given, share_inputs=True)
        except RuntimeError as error:
            raise ModelError(f"{self._what}: OpenVINO cannot run it: {_reason(error)}") from error
        # The request writes its next results into the same memory.
        return [
            np.array(request.get_output_tensor(place).data) for place in range(len(self._outputs))
        ]

    def _request_for(self, arrays: Arrays) -> Any:
        """Returns the compiled network for arrays of these shapes."""
        shapes = () if self._is_fixed else tuple(map(_compiled_shape, arrays, self._inputs))
        if shapes not in self._requests:
            while len(self._requests) >= _MOST_COMPILED:
                del self._requests[next(iter(self._requests))]
            self._requests[shapes] = self._compiled(shapes).create_infer_request()
        return self._requests[shapes]

    def _compiled(self, shapes: _Shapes) -> Any:
        model = self._model
        if not self._is_fixed:
            shaped = model.clone()
            # Where its operations do not allow other shapes, it runs as it is, more slowly.
            with suppress(RuntimeError):
                shaped.reshape(
                    {port: _partial(s) for port, s in zip(shaped.inputs, shapes, strict=True)}
                )
                model = shaped
        with native_output_logged():
            return self._core.compile_model(model, "CPU", self._settings)


def load_openvino() -> Any:
    """Returns the module `openvino`.

    Raises:
        DependencyError: It is not installed.
    """
    try:
        return importlib.import_module("openvino")
    except ImportError as error:
        raise DependencyError(
            f"runtime openvino needs the package openvino: {error}; "
            "pip install 'tracker-pipeline[openvino]'"
        ) from error


def _settings(threads: int, *, half: bool) -> dict[str, Any]:
    return {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
        "PERFORMANCE_HINT": "LATENCY",
        # Pinned, the threads of two networks or programs share the first cores; others stay idle.
        "ENABLE_CPU_PINNING": False,
    }


def _check_bfloat16(core: Any) -> None:
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise ConfigError(
            "detector.network.half: expected a CPU with bfloat16 (AMX or AVX-512 BF16), got one "
            "without; leave half out"
        )


def _compiled_shape(array: NDArray[Any], spec: TensorSpec) -> tuple[int, ...]:
    """Returns the shape to compile for: -1 for a variable batch of several images."""
    is_batch = spec.shape[:1] == (None,) and array.shape[:1] != (1,)
    return (-1, *array.shape[1:]) if is_batch else array.shape


def _partial(shape: tuple[int, ...]) -> Any:
    return load_openvino().PartialShape(list(shape))


def _specs(ports: Any, kind: str) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            min(port.names, default=f"{kind}{place}"),
            _shape(port.partial_shape),
            np.dtype(port.element_type.to_dtype()).name,
        )
        for place, port in enumerate(ports)
    )


def _shape(shape: Any) -> tuple[int | None, ...]:
    if shape.rank.is_dynamic:
        return ()
    return tuple(None if side.is_dynamic else int(side.get_length()) for side in shape)


def _stored(model: Any, file: Path) -> StoredFacts:
    """Returns what exporters store: an ONNX file's metadata, Model API's labels, metadata.yaml."""
    info = model.rt_info
    if file.suffix.lower() != SUFFIX:
        metadata = info["framework"] if "framework" in info else {}
        texts = {key: value.astype(str) for key, value in metadata.items()}
        return metadata_facts(texts, what=str(file))
    facts = folder_facts(file.parent)
    labels = ["model_info", "labels"]
    if facts.class_names is None and model.has_rt_info(labels):
        # One word for each class, with an underscore for a space.
        words = model.get_rt_info(labels).astype(str).split()
        if words:
            names = numbered_names([word.replace("_", " ") for word in words], what=str(file))
            return StoredFacts(names, facts.task, facts.keypoint_values)
    return facts


def _files_beside(file: Path) -> list[Path]:
    if file.suffix.lower() == ".onnx":
        return external_files(file)
    if file.suffix.lower() != SUFFIX:
        return []
    weights = file.with_suffix(".bin")
    if file.is_file() and not weights.is_file():
        raise ModelError(
            f"network {weights}: {missing_text(weights)}; an OpenVINO network is a .xml and a .bin "
            "file of one name"
        )
    return [weights]


def _reason(error: RuntimeError) -> str:
    # Operations that it does not have are listed; else only the last line is about the network.
    lines = [line.strip() for line in str(error).strip().splitlines()] or ["no message"]
    listed = [line.removeprefix("-- ") for line in lines if line.startswith("-- ")]
    return "; ".join(listed) or lines[-1]
