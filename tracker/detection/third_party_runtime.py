"""The runtime of a third-party network, by its format, the settings, and what is installed."""

import logging
from collections.abc import Callable
from importlib.util import find_spec
from os import PathLike
from pathlib import Path

from tracker.detection.runtimes.base import may_have_gpu
from tracker.detection.runtimes.fastest import FastestNetwork, Measurement, Runnable
from tracker.detection.yolo_detector import DetectorSettings
from tracker.errors import ConfigError
from tracker.inference.devices import Device
from tracker.inference.litert import ConversionError
from tracker.inference.network import Network
from tracker.inference.runtime_kind import RuntimeKind
from tracker.models.ncnn.files import SUFFIX as NCNN
from tracker.models.network_file import open_network_file
from tracker.util.address import shown_address

_log = logging.getLogger(__name__)

_RUNTIMES = {
    ".onnx": (RuntimeKind.ONNX_RUNTIME, RuntimeKind.OPENVINO),
    ".xml": (RuntimeKind.OPENVINO,),
    ".tflite": (RuntimeKind.LITERT,),
    NCNN: (RuntimeKind.LITERT,),
}
"""Runtimes by file name suffix, the usual one first; all other networks run on TensorFlow, as those
of ncnn do on a GPU."""


def runtimes_of(path: str | PathLike[str], settings: DetectorSettings) -> tuple[RuntimeKind, ...]:
    """Returns what may run a network: one runtime, or two of which the faster will.

    Empty for a network that runs on TensorFlow.

    Args:
        path: The file, the folder, or the handle.
        settings: How it is run.

    Raises:
        ConfigError: The format does not run on the requested runtime or number format.
    """
    asked, suffix = settings.runtime, Path(path).suffix.lower()
    possible = _RUNTIMES.get(suffix, ())
    if asked is not RuntimeKind.AUTO and asked not in possible:
        names = " or ".join(kind.value for kind in possible) or "TensorFlow"
        raise ConfigError(
            f"runtime {asked.value}: {shown_address(str(path))} runs on {names}; leave --runtime "
            "out"
        )
    chosen = possible if asked is RuntimeKind.AUTO else (asked,)
    if chosen != (RuntimeKind.OPENVINO,):
        settings.refuse_half(shown_address(str(path)))
    if suffix == NCNN and asked is RuntimeKind.AUTO and _may_use_gpu(settings):
        return ()
    installed = tuple(kind for kind in chosen if _is_installed(kind))
    if len(chosen) > 1 and _may_use_gpu(settings):
        return chosen[:1]
    # Where nothing is installed, opening the network on the usual one reports what is missing.
    return installed or chosen[:1]


def open_third_party(
    path: str | PathLike[str],
    settings: DetectorSettings,
    *,
    weights: str | PathLike[str] | None = None,
    offline: bool = False,
) -> Network:
    """Returns a network on the first of its runtimes.

    Args:
        path: The file, the folder, or the handle.
        settings: How it is run.
        weights: The `.bin` of an ncnn `.param`; `None` for the one of the same name beside it.
        offline: Whether a handle that is not in the cache is an error, instead of a download.

    Raises:
        ConfigError: The format does not run on the requested runtime, device or number format, or
            does not take weights.
        ModelError: The network is missing or malformed.
        DependencyError: The runtime is not installed.
        DeviceError: The requested GPU is not available.
    """
    if Path(path).suffix.lower() == NCNN:
        return _ncnn(path, settings, weights)
    if weights is not None:
        where = (
            "takes its weights from the .bin of its name"
            if _is_openvino(path)
            else ("contains its weights")
        )
        raise ConfigError(f"--weights {weights}: {shown_address(str(path))} {where}; leave it out")
    if runtimes_of(path, settings)[:1] == (RuntimeKind.OPENVINO,):
        return _on_openvino(path, settings)()
    return open_network_file(
        path, threads=settings.threads, device=settings.device, offline=offline
    )


def on_fastest_runtime(
    network: Network, path: str | PathLike[str], settings: DetectorSettings
) -> Network:
    """Returns the network, on the faster runtime where it has two.

    Args:
        network: Of `open_third_party`.
        path: Its file.
        settings: How it is run.
    """
    runtimes = runtimes_of(path, settings)
    if len(runtimes) < 2:
        return network
    usual, other = (_MODULES[kind] for kind in runtimes)
    opened = [network]

    def reopened() -> Network:
        # The open one serves once; it is only opened again for a later input size.
        if opened:
            return opened.pop()
        return open_network_file(path, threads=settings.threads, device=settings.device)

    return FastestNetwork(
        shown_address(str(path)),
        Runnable(usual, reopened),
        Runnable(other, _on_openvino(path, settings)),
        measurement=Measurement(settings.threads, settings.cache_dir),
    )


_MODULES = {RuntimeKind.ONNX_RUNTIME: "onnxruntime", RuntimeKind.OPENVINO: "openvino"}
"""Packages by runtime, of those that are extras."""


def _is_installed(kind: RuntimeKind) -> bool:
    return kind not in _MODULES or find_spec(_MODULES[kind]) is not None


def _on_openvino(path: str | PathLike[str], settings: DetectorSettings) -> Callable[[], Network]:
    def opened() -> Network:
        from tracker.inference.openvino_network import OpenVinoNetwork

        return OpenVinoNetwork(
            path, threads=settings.threads, device=settings.device, half=settings.half
        )

    return opened


def _ncnn(
    path: str | PathLike[str], settings: DetectorSettings, weights: str | PathLike[str] | None
) -> Network:
    from tracker.models.ncnn.network import NcnnNetwork, open_cached_ncnn

    threads = settings.threads
    if not runtimes_of(path, settings):
        return NcnnNetwork(path, weights=weights, threads=threads, device=settings.device)
    if Device.parse(settings.device).kind == "gpu":
        raise ConfigError(
            f"runtime {settings.runtime.value}: expected device auto or cpu, got "
            f"{settings.device}; leave --runtime out"
        )
    cache_dir = settings.cache_dir
    try:
        return open_cached_ncnn(path, weights=weights, threads=threads, cache_dir=cache_dir)
    except ConversionError as error:
        if settings.runtime is RuntimeKind.LITERT:
            raise
        _log.warning("%s, and does so now", error)
    return NcnnNetwork(path, weights=weights, threads=threads)


def _is_openvino(path: str | PathLike[str]) -> bool:
    return Path(path).suffix.lower() == ".xml"


def _may_use_gpu(settings: DetectorSettings) -> bool:
    device = Device.parse(settings.device)
    return device.kind == "gpu" or (device.kind == "auto" and may_have_gpu())
