"""Window classifiers as `.keras` files that plain `model.save()` wrote.

Comes in: a path. Goes out: the `keras.Model`. The file says which layers it is made of; Keras is
given it only if every one of them is a plain layer of Keras that can slide, so that nothing in a
file can name code, other files, or anything else with an effect.
"""

import json
import zipfile
import zlib
from os import PathLike
from pathlib import Path
from typing import Any

from tracker.errors import ModelError
from tracker.models.fcn.shape import ALL_LAYERS
from tracker.models.files.read import read_model_file

_CONFIG, _WEIGHTS, _OURS = "config.json", "model.weights.h5", "tracker.json"
_HARMLESS = {
    "keras.layers": ALL_LAYERS,
    "keras": frozenset({"Functional", "Model", "Sequential", "DTypePolicy"}),
    "keras.models": frozenset({"Functional", "Model", "Sequential"}),
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.models.sequential": frozenset({"Sequential"}),
    None: frozenset({"__keras_tensor__"}),
}
"""What a file may name, by module."""
_HARMLESS_MODULES = ("keras.initializers", "keras.regularizers", "keras.constraints")


def load_window_classifier(path: str | PathLike[str]) -> Any:
    """Returns the model of a file, for inference.

    Args:
        path: A `.keras` file of Keras 3.

    Raises:
        ModelError: It is missing, no such archive, damaged, holds a layer that cannot slide, or
            Keras cannot load it.
    """
    path = Path(path)
    if path.suffix.lower() != ".keras":
        raise ModelError(f"window classifier {path}: expected a name that ends in .keras")
    config = _read_config(path)
    _check_config(path, {key: value for key, value in config.items() if key != "compile_config"})
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # h5py and Keras raise whatever they stumble over
        reason = (str(error).splitlines() or ["no message"])[0]
        raise ModelError(f"window classifier {path}: Keras cannot load it: {reason}") from error


def _read_config(path: Path) -> dict[str, Any]:
    start = read_model_file(path, what="window classifier")[:4]
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
            names = set(archive.namelist())
            text = archive.read(_CONFIG) if {_CONFIG, _WEIGHTS} <= names else None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError) as error:
        reason = (
            "the archive is cut short or damaged; copy it again"
            if start.startswith(b"PK")
            else "expected a .keras archive of Keras 3, got something else"
        )
        raise ModelError(f"window classifier {path}: {reason}") from error
    if broken is not None:
        raise ModelError(f"window classifier {path}: {broken} in it is damaged; copy it again")
    if _OURS in names:
        raise ModelError(
            f"window classifier {path}: `tracker train` wrote this file, it holds no window "
            "classifier; a detector of ours is run with --detector FILE.keras"
        )
    try:
        config = json.loads(text) if text is not None else None
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise ModelError(f"window classifier {path}: expected a model that model.save() wrote")
    return config


def _check_config(path: Path, node: Any) -> None:
    """Checks that a file names nothing but plain layers and what belongs to them."""
    if isinstance(node, dict):
        name = node.get("class_name")
        if name is not None:
            module = node.get("module")
            known = module is None or isinstance(module, str)
            allowed = known and (
                module in _HARMLESS_MODULES or name in _HARMLESS.get(module, frozenset())
            )
            if not isinstance(name, str) or not allowed:
                raise ModelError(
                    f"window classifier {path}: a {name} (of {module}) cannot slide over a "
                    "picture; see docs/fcn.md for what can"
                )
    for value in node.values() if isinstance(node, dict) else ():
        _check_config(path, value)
    for value in node if isinstance(node, list) else ():
        _check_config(path, value)
