"""Presets of KerasHub, from what a user wrote to an object detector in memory.

Nothing is downloaded but what the user named, by KerasHub itself.
"""

import contextlib
import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tracker.errors import DependencyError, ModelError, nearest
from tracker.inference.captured_stderr import native_output_logged
from tracker.inference.checked_call import first_line
from tracker.inference.digests import network_file_digest
from tracker.inference.tensorflow import load_tensorflow

_KAGGLE = "kaggle://"
_HUGGING_FACE = "hf://"
_CONFIG = "config.json"
_HEAD_WEIGHTS = "task.weights.h5"
_PARTS = (
    *(_CONFIG, "task.json", "preprocessor.json", "image_converter.json", "model.weights.json"),
    "*.weights.h5",
)
"""What decides about the results of a preset; `metadata.json` and `README.md` are notes."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedPreset:
    """An object detector of KerasHub.

    Attributes:
        task: The `keras_hub.models.ObjectDetector`.
        digests: SHA-256 by the folder's name, or by the name or handle as the user wrote it.
    """

    task: Any
    digests: Mapping[str, str]


def load_preset(preset: str, *, offline: bool = False) -> LoadedPreset:
    """Returns the object detector of a preset.

    Args:
        preset: A folder that `save_to_preset` wrote, a name that KerasHub knows, or a handle
            "kaggle://OWNER/MODEL/keras/VARIATION[/VERSION]" or "hf://OWNER/MODEL".
        offline: Whether a preset that is neither a folder nor in kagglehub's cache is an error,
            instead of a download.

    Raises:
        ModelError: There is no such preset, it is no object detector, it lacks weights, or it
            cannot be downloaded or loaded.
        DependencyError: KerasHub, or what it downloads with, cannot be loaded.
    """
    keras_hub = load_keras_hub()
    if Path(preset).is_dir():
        folder = Path(preset).resolve()
        with native_output_logged():
            task = _task(keras_hub, str(folder), preset)
        return _checked(task, folder, preset, name=folder.name)
    handle = _handle(keras_hub, preset)
    if offline:
        folder = cached_folder(handle, preset)
        with native_output_logged():
            task = _task(keras_hub, str(folder), preset)
    else:
        # What it writes meanwhile is seen: a bar for each file that is downloaded.
        with contextlib.redirect_stdout(sys.stderr):
            folder = _fetched_folder(handle, preset)
            task = _task(keras_hub, preset, preset)
    return _checked(task, folder, preset, name=preset)


def load_keras_hub() -> Any:
    """Returns the module `keras_hub`, on Keras with TensorFlow.

    Raises:
        DependencyError: It is not installed, or cannot be loaded.
    """
    advice = "pip install 'tracker-pipeline[kerashub]'"
    if importlib.util.find_spec("keras_hub") is None:
        raise DependencyError(f"KerasHub is not installed: {advice}")
    load_tensorflow()
    try:
        # Its downloads are logged to standard output, which may carry the JSON of the program.
        with native_output_logged(), contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module("keras_hub")
    except ImportError as error:
        raise DependencyError(
            f"KerasHub cannot be loaded: {first_line(error)}; {advice}"
        ) from error


def cached_folder(handle: str, preset: str) -> Path:
    """Returns the folder of kagglehub's cache that holds a preset, the latest version there.

    Args:
        handle: "kaggle://OWNER/MODEL/FRAMEWORK/VARIATION[/VERSION]".
        preset: What the user wrote, for messages.

    Raises:
        ModelError: It is not in the cache, or of another place than Kaggle.
    """
    if not handle.startswith(_KAGGLE):
        raise ModelError(
            f"preset {preset}: offline, expected a folder or what kagglehub's cache holds; name "
            "the folder, or allow the download"
        )
    # kagglehub's documented place; asking kagglehub itself would ask Kaggle for the version.
    root = os.environ.get("KAGGLEHUB_CACHE") or Path.home() / ".cache" / "kagglehub"
    folder = Path(root, "models", *handle.removeprefix(_KAGGLE).split("/"))
    versions = [folder, *(child for child in folder.glob("*") if child.name.isdecimal())]
    held = [version for version in versions if (version / _CONFIG).is_file()]
    if not held:
        raise ModelError(
            f"preset {preset}: expected it in kagglehub's cache {root}, got nothing there; allow "
            "the download, or set KAGGLEHUB_CACHE to a folder that holds it"
        )
    return max(held, key=lambda version: int(version.name) if version.name.isdecimal() else -1)


def preset_digest(folder: Path) -> str:
    """Returns the SHA-256 of a preset's folder as 64 hexadecimal digits.

    It is that of a text with a line for each file that decides about the results (`config.json`,
    `task.json`, `preprocessor.json`, `image_converter.json`, `model.weights.json` and
    `*.weights.h5`), sorted by name: the file's own SHA-256, two spaces, its name.

    Args:
        folder: The preset.

    Raises:
        ModelError: A file cannot be read, or has 0 bytes.
    """
    files = {file.name: file for pattern in _PARTS for file in folder.glob(pattern)}
    lines = [f"{network_file_digest(files[name])}  {name}\n" for name in sorted(files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _handle(keras_hub: Any, preset: str) -> str:
    """Returns the address of a preset that is no folder."""
    if preset.startswith((_KAGGLE, _HUGGING_FACE)):
        return preset
    known = keras_hub.models.ObjectDetector.presets
    if preset in known:
        handle: str = known[preset]["kaggle_handle"]
        return handle
    names = ", ".join(sorted(known))
    raise ModelError(
        f"preset {preset}: expected a folder, {_KAGGLE}..., {_HUGGING_FACE}... or an object "
        f"detector of KerasHub{nearest(preset, known) or f': {names}'}"
    )


def _fetched_folder(handle: str, preset: str) -> Path:
    """Returns where the files of a preset lie; its `config.json` is downloaded where it must be."""
    try:
        if handle.startswith(_KAGGLE):
            kagglehub: Any = importlib.import_module("kagglehub")
            path = kagglehub.model_download(handle.removeprefix(_KAGGLE), _CONFIG)
        else:
            hub: Any = importlib.import_module("huggingface_hub")
            path = hub.hf_hub_download(handle.removeprefix(_HUGGING_FACE), _CONFIG)
    except ImportError as error:
        name = getattr(error, "name", None) or "a library"
        raise DependencyError(
            f"preset {preset}: {first_line(error)}; pip install {name.replace('_', '-')}"
        ) from error
    except Exception as error:  # They hand on what sockets, servers and checks of handles raise.
        raise ModelError(f"preset {preset}: cannot be downloaded: {first_line(error)}") from error
    return Path(path).parent


def _task(keras_hub: Any, source: str, preset: str) -> Any:
    """Returns the task that KerasHub makes of a folder, a name or a handle."""
    try:
        return keras_hub.models.ObjectDetector.from_preset(source)
    except Exception as error:  # Keras and HDF5 have no class for presets that they cannot read.
        raise ModelError(
            f"preset {preset}: cannot be loaded as an object detector: {first_line(error)}"
        ) from error


def _checked(task: Any, folder: Path, preset: str, *, name: str) -> LoadedPreset:
    # KerasHub leaves a head without weights as chance made it, without a word.
    if task.has_task_weights() and not (folder / _HEAD_WEIGHTS).is_file():
        raise ModelError(
            f"preset {preset}: expected {_HEAD_WEIGHTS} in {folder}, got none, so its head has no "
            "trained weights; save the whole task with save_to_preset"
        )
    return LoadedPreset(task, MappingProxyType({name: preset_digest(folder)}))
