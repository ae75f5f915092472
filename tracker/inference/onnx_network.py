"""Networks in ONNX files, run by ONNX Runtime (extra `onnx`), which is loaded on first use."""

import importlib
import logging
import re
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from tracker.errors import DependencyError, DeviceError, ModelError
from tracker.inference.checked_call import Arrays, first_line
from tracker.inference.devices import Device, check_threads
from tracker.inference.digests import network_file_digest
from tracker.inference.litert import available_cores
from tracker.inference.loaded_network import LoadedNetwork
from tracker.inference.network import TensorSpec
from tracker.inference.onnx_repair import repaired_onnx
from tracker.inference.stored_names import metadata_facts

logger = logging.getLogger(__name__)

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

_TYPES = {"float": "float32", "double": "float64"}
"""Element types with another name in NumPy."""

# An entry of `external_data` as protobuf writes it: the key, then the length and the value.
_EXTERNAL = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])")


class OnnxNetwork(LoadedNetwork):
    """A network in an ONNX file; inputs and outputs in the order of the file.

    Args:
        path: The file; external weights are in files beside it.
        threads: CPU threads; `None` = one for each core that this process may use.
        device: `cpu`, `gpu`, `gpu:N`, or `auto`: a GPU where ONNX Runtime was built for one.

    Raises:
        ModelError: The file is missing, cut short, no ONNX model, or needs a version or an
            operation that this ONNX Runtime does not have.
        ConfigError: The device is unknown, or there are fewer threads than one.
        DeviceError: The requested GPU is not available.
        DependencyError: ONNX Runtime is not installed.
    """

    def __init__(
        self, path: str | PathLike[str], *, threads: int | None = None, device: str = "cpu"
    ) -> None:
        check_threads(threads)
        chosen, file = Device.parse(device), Path(path)
        self._what = f"network {file}"
        files = [file, *external_files(file)]
        self._digests = MappingProxyType({part.name: network_file_digest(part) for part in files})
        self._session = onnx_session(file, threads=threads or available_cores(), device=chosen)
        try:
            self._inputs = tuple(_spec(node, file) for node in self._session.get_inputs())
            self._outputs = tuple(_spec(node, file) for node in self._session.get_outputs())
        except UnicodeDecodeError as error:
            raise ModelError(f"network {file}: expected names in UTF-8: {error}") from error
        self._stored = metadata_facts(_metadata(self._session, file), what=str(file))

    def _call(self, arrays: Arrays) -> list[NDArray[Any]]:
        names = (spec.name for spec in self._inputs)
        return list(self._session.run(None, dict(zip(names, arrays, strict=True))))


def onnx_session(path: str | PathLike[str], *, threads: int, device: Device | None = None) -> Any:
    """Returns an ONNX Runtime session.

    Args:
        path: The ONNX file.
        threads: CPU threads.
        device: Where it runs; `None` = on the CPU.

    Raises:
        ModelError: The file cannot be loaded.
        DependencyError: ONNX Runtime is not installed, or `onnx`, which a repair needs.
        DeviceError: The requested GPU is not available.
    """
    try:
        runtime: Any = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise DependencyError(
            f"ONNX models need the package onnxruntime: {error}; "
            "pip install 'tracker-pipeline[onnx]'"
        ) from error
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # Files of old exporters cause a hundred warnings.
    providers = _providers(device or Device("cpu"), runtime.get_available_providers())
    model = repaired_onnx(Path(path)) or str(path)
    try:
        # On the CPU its fallback would print to standard output, and try the same again.
        session = runtime.InferenceSession(
            model, options, providers=providers, enable_fallback=providers != [_CPU]
        )
    except Exception as error:  # The library raises classes of its own, without a common base.
        reason = first_line(error)
        raise ModelError(f"{path}: ONNX Runtime cannot load it: {reason}") from error
    if device is not None and device.kind == "gpu" and _CUDA not in session.get_providers():
        raise DeviceError(
            f"GPU {device.index}: ONNX Runtime cannot use it, its driver or CUDA libraries do not "
            "fit; try device cpu"
        )
    return session


def _metadata(session: Any, file: Path) -> dict[str, str]:
    """Returns the metadata of a file; none, with a warning, where they are no text in UTF-8."""
    try:
        return dict(session.get_modelmeta().custom_metadata_map)
    except UnicodeDecodeError as error:
        logger.warning("%s: its metadata are not used, expected UTF-8: %s", file, error)
        return {}


def _providers(device: Device, available: list[str]) -> list[Any]:
    """Returns ONNX Runtime's execution providers, preferred first."""
    if device.kind == "cpu" or (device.kind == "auto" and _CUDA not in available):
        return [_CPU]
    if _CUDA not in available:
        raise DeviceError(
            f"GPU {device.index}: this ONNX Runtime is built for CPUs only; install "
            "onnxruntime-gpu in place of onnxruntime; try device cpu"
        )
    return [(_CUDA, {"device_id": device.index}), _CPU]


def _spec(node: Any, file: Path) -> TensorSpec:
    kind = re.fullmatch(r"tensor\((\w+)\)", node.type)
    if kind is None:
        raise ModelError(f"network {file}: {node.name}: expected a tensor, got {node.type}")
    sides = node.shape or ()
    shape = tuple(side if isinstance(side, int) and side > 0 else None for side in sides)
    return TensorSpec(node.name, shape, _TYPES.get(kind[1], kind[1]))


def external_files(file: Path) -> list[Path]:
    """Returns the external weight files that an ONNX file names and that exist."""
    try:
        content = file.read_bytes()
    except (OSError, ValueError):
        return []  # `network_file_digest` reports why.
    names = set()
    for match in _EXTERNAL.finditer(content):
        name = content[match.end() : match.end() + match[1][0]]
        names.add(name.decode(errors="replace"))
    return [file.parent / name for name in sorted(names) if (file.parent / name).is_file()]
