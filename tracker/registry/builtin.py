"""The models that come with this package, by name.

The cards beside the files say what they were trained on, how, and how good they are.
"""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "weights"
"""Folder of the files."""

_INT8 = "-int8"

TRAINED = ("nano", "small")
"""Names of the detectors that were trained."""

DETECTORS = (*TRAINED, *(f"{name}{_INT8}" for name in TRAINED))
"""Names of the detectors; those with `int8` compute in integers on LiteRT, and as they were trained
on a GPU."""

EMBEDDER = "builtin"
"""Name of the appearance network."""

SEGMENTER = "segmenter-person"
"""Name of the segmenter of people."""


@dataclass(frozen=True, slots=True)
class BuiltinFiles:
    """Where a model lies.

    Attributes:
        keras: The network with its weights, for GPUs and to start a training from.
        exported: The same for LiteRT.
    """

    keras: Path
    exported: Path


def detector_files(name: str) -> BuiltinFiles:
    """Returns the files of a detector.

    Args:
        name: One of `DETECTORS`.
    """
    return BuiltinFiles(
        keras=FOLDER / f"detector-{name.removesuffix(_INT8)}.keras",
        exported=FOLDER / f"detector-{name}.tflite",
    )


def segmenter_files() -> BuiltinFiles:
    """Returns the files of the segmenter of people."""
    return BuiltinFiles(
        keras=FOLDER / f"{SEGMENTER}.keras", exported=FOLDER / f"{SEGMENTER}.tflite"
    )


def embedder_files() -> BuiltinFiles:
    """Returns the files of the appearance network."""
    return BuiltinFiles(keras=FOLDER / "reid.keras", exported=FOLDER / "reid.tflite")
