"""Networks in TensorFlow's SavedModel format, from a folder, TensorFlow Hub or Kaggle Models.

TensorFlow Hub downloads a handle into the folder that `TFHUB_CACHE_DIR` names, else into
`tfhub_modules` in the system's temporary folder; a cached handle is loaded without network access.
"""

import hashlib
import importlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from tracker.errors import DependencyError, ModelError
from tracker.inference.captured_stderr import native_output_logged
from tracker.inference.checked_call import Arrays, first_line
from tracker.inference.devices import Device, check_threads, tensorflow_device
from tracker.inference.digests import saved_model_digest
from tracker.inference.loaded_network import LoadedNetwork
from tracker.inference.network import TensorSpec
from tracker.inference.stored_names import folder_facts
from tracker.inference.tensorflow import load_tensorflow
from tracker.util.address import mask_words, shown_address

_HANDLE = "https://"
_MARKS = ("saved_model.pb", "saved_model.pbtxt")
_HUB_1_MARK = "tfhub_module.pb"
_SIGNATURES = ("serving_default", "default")
"""Preferred signatures: TensorFlow's default, and that of TensorFlow Hub's first format."""


class SavedModelNetwork(LoadedNetwork):
    """A network in SavedModel format; inputs and outputs sorted by name.

    It runs the signature "serving_default" where there is one, else "default" (TensorFlow Hub's
    first format), else the only one.

    Args:
        source: A folder, or a handle such as "https://tfhub.dev/..." or
            "https://www.kaggle.com/models/...".
        threads: CPU threads of TensorFlow; `None` keeps its default.
        device: `cpu`, `gpu`, `gpu:N`, or `auto`: a GPU where TensorFlow sees one.
        offline: Whether a handle that is not in the cache is an error, instead of a download.

    Raises:
        ModelError: There is no SavedModel, TensorFlow cannot load it, none of its signatures can be
            chosen, or a handle cannot be downloaded.
        ConfigError: The device is unknown, or TensorFlow already runs with other threads.
        DeviceError: The requested GPU is not available.
        DependencyError: TensorFlow, or TensorFlow Hub for a download, cannot be loaded.
    """

    def __init__(
        self,
        source: str,
        *,
        threads: int | None = None,
        device: str = "cpu",
        offline: bool = False,
    ) -> None:
        check_threads(threads)
        chosen = Device.parse(device)
        self._what = f"network {shown_address(source)}"
        folder = hub_folder(source, offline=offline) if is_handle(source) else Path(source)
        if not is_saved_model(folder):
            raise ModelError(f"{self._what}: expected a folder with saved_model.pb, got none there")
        name = shown_address(source) if is_handle(source) else folder.resolve().name
        self._digests = MappingProxyType({name: saved_model_digest(folder)})
        self._stored = folder_facts(folder)
        self._tf = load_tensorflow()
        self._device = tensorflow_device(chosen, threads=threads)
        with native_output_logged(), self._tf.device(self._device):
            # The function does not keep its variables alive; the model does.
            self._model, self._function = _loaded(self._tf, folder, self._what)
        self._inputs = _specs(self._function.structured_input_signature[1])
        self._outputs = _specs(self._function.structured_outputs)

    def _call(self, arrays: Arrays) -> list[NDArray[Any]]:
        with self._tf.device(self._device):
            given = {
                spec.name: self._tf.constant(array)
                for spec, array in zip(self._inputs, arrays, strict=True)
            }
            results = self._function(**given)
        return [results[spec.name].numpy() for spec in self._outputs]


def is_handle(text: str) -> bool:
    """Returns whether a text is an address, such as those of TensorFlow Hub and Kaggle Models."""
    return text.startswith(_HANDLE)


def is_saved_model(folder: Path) -> bool:
    """Returns whether a folder holds a SavedModel."""
    return any((folder / name).is_file() for name in _MARKS)


def hub_folder(handle: str, *, offline: bool = False) -> Path:
    """Returns the folder of a handle's SavedModel, downloaded first if it is not in the cache.

    Args:
        handle: The address.
        offline: Whether that is an error instead.

    Raises:
        ModelError: It is not in the cache, or cannot be downloaded.
        DependencyError: TensorFlow Hub cannot be loaded.
    """
    cache = os.environ.get("TFHUB_CACHE_DIR") or Path(tempfile.gettempdir()) / "tfhub_modules"
    # TensorFlow Hub's documented location ("Caching model downloads"): the SHA-1 of the handle.
    # TensorFlow Hub itself would create folders and load a second Keras.
    folder = Path(cache) / hashlib.sha1(handle.encode(), usedforsecurity=False).hexdigest()
    if is_saved_model(folder):
        return folder
    if offline:
        raise ModelError(
            f"network {shown_address(handle)}: expected it in the cache {cache}, got nothing "
            "there; allow the download, or set TFHUB_CACHE_DIR to a folder that holds it"
        )
    load_tensorflow()
    try:
        with native_output_logged():
            hub: Any = importlib.import_module("tensorflow_hub")
    except ImportError as error:
        raise DependencyError(f"TensorFlow Hub cannot be loaded: {error}") from error
    try:
        return Path(hub.resolve(handle))
    except Exception as error:  # It passes on errors of sockets, archives and servers.
        reason = mask_words(first_line(error), [handle])
        # `from None`: its error may contain the address with its token.
        raise ModelError(
            f"network {shown_address(handle)}: cannot be downloaded: {reason}"
        ) from None


def _loaded(tf: Any, folder: Path, what: str) -> tuple[Any, Any]:
    """Returns the model of a folder and its signature's function."""
    tags: list[str] | None = [] if (folder / _HUB_1_MARK).is_file() else None
    try:
        model = tf.saved_model.load(str(folder), tags=tags)
    except Exception as error:  # TensorFlow has no class for files that it cannot read.
        raise ModelError(f"{what}: TensorFlow cannot load it: {first_line(error)}") from error
    signatures = dict(model.signatures)
    preferred = [name for name in _SIGNATURES if name in signatures]
    names = preferred or (list(signatures) if len(signatures) == 1 else [])
    if not names:
        raise ModelError(
            f"{what}: expected a signature 'serving_default', or a single one, got "
            f"{', '.join(sorted(signatures)) or 'none'}; export it again with one"
        )
    return model, signatures[names[0]]


def _specs(tensors: Mapping[str, Any]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            name,
            () if tensors[name].shape.rank is None else tuple(tensors[name].shape),
            tensors[name].dtype.name,
        )
        for name in sorted(tensors)
    )
