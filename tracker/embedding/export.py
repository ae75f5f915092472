"""Appearance networks of this package for LiteRT."""

from pathlib import Path

from tracker.errors import ConfigError
from tracker.inference.litert import Precision, export_network
from tracker.models.files.reid_file import REID_FILE, load_reid, read_reid_description
from tracker.models.files.tflite import write_exported
from tracker.models.reid_shape import CROP_HEIGHT, CROP_WIDTH

ADVICE = "use embedder none"
"""What to try where LiteRT does not accept a network."""


def export_embedder(path: Path, out: Path, *, precision: Precision = Precision.FLOAT16) -> None:
    """Writes the `.tflite` of an appearance network.

    Args:
        path: The `.keras` file.
        out: Where to; its name ends in `.tflite`.
        precision: How numbers are stored; integers are for detectors only.

    Raises:
        ConfigError: `INT8`.
        ModelError: The file is no appearance network of this package, or cannot be exported.
        OutputError: The export cannot be written.
        DependencyError: TensorFlow cannot be loaded.
    """
    if precision is Precision.INT8:
        raise ConfigError(f"{path}: int8 is for detectors; an appearance network needs float16")
    description = read_reid_description(path)
    write_exported(out, export_reid(path, precision=precision), REID_FILE.text(description))


def export_reid(path: Path, *, precision: Precision = Precision.FLOAT32) -> bytes:
    """Returns the `.tflite` of an appearance network: uint8 `(B, 128, 64, 3)` to `(B, D)`.

    Args:
        path: The `.keras` file.
        precision: How numbers are stored; `INT8` is not among them.

    Raises:
        ModelError: The file is no appearance network of this package, or cannot be exported.
        DependencyError: TensorFlow cannot be loaded.
    """
    return export_network(
        lambda: load_reid(path),
        shape=(None, CROP_HEIGHT, CROP_WIDTH, 3),
        outputs=lambda vectors: vectors,
        advice=ADVICE,
        precision=precision,
    )
