"""Opens a network of any format: the path decides which runtime runs it.

A runtime is imported only when a network needs it.
"""

from os import PathLike
from pathlib import Path

from tracker.errors import ModelError
from tracker.inference.network import Network

SUFFIXES = (".onnx", ".tflite", ".keras", ".xml")
"""File name suffixes of networks."""


def open_network(
    path: str | PathLike[str],
    *,
    threads: int | None = None,
    device: str = "cpu",
    offline: bool = False,
) -> Network:
    """Returns the network of a file, a folder or a handle, ready to run.

    A `.onnx` runs on ONNX Runtime, a `.tflite` on LiteRT, a `.xml` (with its `.bin`) on OpenVINO; a
    `.keras` in Keras' safe mode, the folder of a SavedModel, and a handle of TensorFlow Hub or
    Kaggle Models run on TensorFlow. Only handles are downloaded.

    Args:
        path: The file, the folder, or an address "https://...".
        threads: CPU threads; `None` = one for each core that this process may use.
        device: `cpu`, `gpu`, `gpu:N` or `auto`; a `.tflite` or `.xml` runs on the CPU only.
        offline: Whether a handle that is not in TensorFlow Hub's cache (`TFHUB_CACHE_DIR`) is an
            error, instead of a download.

    Raises:
        ModelError: There is no network of these formats, or it cannot be loaded.
        ConfigError: The device does not fit the format, or there are fewer threads than one.
        DeviceError: The requested GPU is not available.
        DependencyError: The runtime cannot be loaded.
    """
    from tracker.inference.saved_model_network import (
        SavedModelNetwork,
        is_handle,
        is_saved_model,
    )

    text, file = str(path), Path(path)
    if is_handle(text) or is_saved_model(file):
        return SavedModelNetwork(text, threads=threads, device=device, offline=offline)
    suffix = file.suffix.lower()
    if file.is_dir() or suffix not in SUFFIXES:
        raise ModelError(
            f"network {text}: expected a file that ends in {', '.join(SUFFIXES)}, the folder of a "
            f"SavedModel (saved_model.pb in it), or an https:// handle, got {_kind_of_path(file)}"
        )
    if suffix == ".onnx":
        from tracker.inference.onnx_network import OnnxNetwork

        return OnnxNetwork(file, threads=threads, device=device)
    if suffix == ".tflite":
        from tracker.inference.litert_network import LiteRtNetwork

        return LiteRtNetwork(file, threads=threads, device=device)
    if suffix == ".xml":
        from tracker.inference.openvino_network import OpenVinoNetwork

        return OpenVinoNetwork(file, threads=threads, device=device)
    from tracker.inference.keras_network import KerasNetwork

    return KerasNetwork(file, threads=threads, device=device)


def _kind_of_path(path: Path) -> str:
    if path.is_dir():
        return "another folder"
    return "a file of another name" if path.exists() else "nothing there"
