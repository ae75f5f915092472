"""ncnn networks behind the interface of all networks, on TensorFlow or on LiteRT."""

from dataclasses import replace
from os import PathLike
from pathlib import Path

from tracker.inference.cache import cache_key, cached, exported_path, library_version
from tracker.inference.devices import Device, check_threads
from tracker.inference.keras_runner import KerasRunner
from tracker.inference.litert import Precision, export_named, input_name
from tracker.inference.litert_network import LiteRtRunner, TensorOrder
from tracker.models.ncnn.files import NcnnFiles, read_ncnn_files

_FORMAT = 1
"""Raised whenever the exported graph changes: old cached files are then not found any more."""


class NcnnNetwork(KerasRunner):
    """A network in a `.param` and a `.bin` file, on TensorFlow.

    Images are `(B, H, W, C)` float32. Outputs are named as in ncnn, in the order of the file, and
    have ncnn's axes after the batch: `(B, w)`, `(B, h, w)` or `(B, c, h, w)`. int8 weights are
    widened to float32; ncnn's rounding of activations to int8 is left out.

    Args:
        path: The `.param` file.
        weights: The `.bin` file; `None` for the one of the same name beside it.
        threads: CPU threads of TensorFlow; `None` keeps its default.
        device: `cpu`, `gpu`, `gpu:N`, or `auto`: a GPU where TensorFlow sees one.

    Raises:
        ModelError: A file is missing or malformed, or has a layer that is not supported.
        ConfigError: The device is unknown, or TensorFlow already runs with other threads.
        DeviceError: The requested GPU is not available.
        DependencyError: TensorFlow cannot be loaded.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        weights: str | PathLike[str] | None = None,
        threads: int | None = None,
        device: str = "cpu",
    ) -> None:
        # Bad threads, devices and files are reported before TensorFlow is loaded.
        check_threads(threads)
        Device.parse(device)
        files = read_ncnn_files(path, weights)
        super().__init__(
            files.load,
            what=files.what,
            digests=files.digests,
            stored=files.stored,
            threads=threads,
            device=device,
        )


class ExportedNcnnNetwork(LiteRtRunner):
    """A network in a `.param` and a `.bin` file, on LiteRT and the CPU.

    Inputs and outputs are those of `NcnnNetwork`, with a batch of one image.

    Args:
        files: The network.
        exported: What `export_ncnn` returned for it.
        threads: CPU threads; `None` = one for each core that this process may use.

    Raises:
        ModelError: LiteRT does not accept the export.
        ConfigError: Fewer threads than one.
        DependencyError: LiteRT cannot be loaded.
    """

    def __init__(self, files: NcnnFiles, exported: bytes, *, threads: int | None = None) -> None:
        names, param = [input_name(n) for n, _ in enumerate(files.param.input_names)], files.param
        super().__init__(
            exported,
            what=files.what,
            digests=files.digests,
            stored=files.stored,
            threads=threads,
            order=TensorOrder(names, param.output_names),
        )
        pairs = zip(self._inputs, param.input_names, strict=True)
        self._inputs = tuple(replace(spec, name=name) for spec, name in pairs)


def export_ncnn(files: NcnnFiles, *, precision: Precision = Precision.FLOAT32) -> bytes:
    """Returns the `.tflite` of a network, for every input size that its `.param` leaves open.

    Args:
        files: The network.
        precision: How weights are stored; `INT8` is not among them.

    Raises:
        ConversionError: LiteRT lacks an operation of the network.
        ModelError: The files do not fit each other, or a layer is not supported.
        DependencyError: TensorFlow cannot be loaded.
    """
    advice = f"{files.path} runs on TensorFlow only"
    return export_named(files.load, advice=advice, precision=precision)


def open_cached_ncnn(
    path: str | PathLike[str],
    *,
    weights: str | PathLike[str] | None = None,
    threads: int | None = None,
    cache_dir: Path | None = None,
) -> ExportedNcnnNetwork:
    """Returns a network on LiteRT, exported once and kept in the cache.

    With a warm cache neither Keras nor TensorFlow is loaded.

    Args:
        path: The `.param` file.
        weights: The `.bin` file; `None` for the one of the same name beside it.
        threads: CPU threads; `None` = one for each core that this process may use.
        cache_dir: Folder of exported networks; `None` takes the platform's.

    Raises:
        ConversionError: LiteRT lacks an operation of the network.
        ModelError: A file is missing or malformed, or a layer is not supported.
        ConfigError: Fewer threads than one.
        DependencyError: LiteRT, or TensorFlow where an export is needed, cannot be loaded.
    """
    check_threads(threads)
    files = read_ncnn_files(path, weights)
    cached_file = exported_path(cache_dir, _key(files))
    exported = cached(cached_file, lambda: export_ncnn(files))
    return ExportedNcnnNetwork(files, exported, threads=threads)


def _key(files: NcnnFiles) -> str:
    return cache_key(
        {
            "format": _FORMAT,
            "ncnn": list(files.digests.values()),
            "versions": [library_version(name) for name in ("ai-edge-litert", "keras")],
            "tensorflow": [library_version(name) for name in ("tensorflow", "tensorflow-cpu")],
        }
    )
