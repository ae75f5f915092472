"""Window classifiers as `.keras` files that plain `model.save()` wrote."""

from os import PathLike
from pathlib import Path
from typing import Any

from tracker.errors import ModelError
from tracker.inference.keras_file import load_keras_file, member_names
from tracker.models.fcn.shape import ALL_LAYERS
from tracker.models.files.read import check_model_file

_OURS = "tracker.json"


def load_window_classifier(path: str | PathLike[str]) -> Any:
    """Returns the model of a file, for inference.

    Args:
        path: A `.keras` file of Keras 3.

    Raises:
        ModelError: The file is missing, no such archive, damaged, contains a layer that cannot
            slide, or Keras cannot load it.
    """
    path = Path(path)
    what = f"window classifier {path}"
    if path.suffix.lower() != ".keras":
        raise ModelError(f"{what}: expected a name that ends in .keras")
    check_model_file(path, what="window classifier")
    if _OURS in member_names(path, what=what):
        raise ModelError(
            f"{what}: `tracker train` wrote this file, it is no window classifier; "
            "run it with --detector FILE.keras"
        )
    advice = "cannot slide over an image; docs/fcn.md lists the layers that can"
    return load_keras_file(path, what=what, layers=ALL_LAYERS, advice=advice)
