"""Networks of this package's detector files, with what a detector needs to know of them.

Input: a `.keras` of `tracker train detector`, or a `.tflite` of `tracker export`. Output: the
network, which is built when it runs, and its class names.
"""

from collections.abc import Callable
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from tracker.detection.runtimes.base import YoloNetwork
from tracker.errors import ConfigError
from tracker.models.files.detector_file import (
    DETECTOR_FILE,
    DetectorDescription,
    load_detector,
    read_description,
)
from tracker.models.files.digest import file_digest
from tracker.models.files.tflite import read_exported
from tracker.models.yolo_shape import STRIDES


def network_of_keras(path: str | PathLike[str]) -> tuple[YoloNetwork, tuple[str, ...]]:
    """Returns the network of a `.keras` file, and its class names.

    Raises:
        ModelError: The file is missing, damaged, or no detector of this package.
    """
    description = read_description(path)
    network = _network(description, file_digest(path), partial(_build, path))
    return network, tuple(description.class_names)


def network_of_export(
    path: str | PathLike[str], keras: str | PathLike[str] | None
) -> tuple[YoloNetwork, tuple[str, ...]]:
    """Returns the network of a `.tflite` file, and its class names.

    Args:
        path: The file.
        keras: The `.keras` file that it was made of, which a GPU needs.

    Raises:
        ModelError: The file is missing, cut short, or no export of this package.
    """
    exported = read_exported(path, what="detector")
    description = DETECTOR_FILE.parse(Path(path), exported.text)
    build = partial(_refuse, path) if keras is None else partial(_build, keras)
    network = _network(description, file_digest(path), build, exported.model)
    return network, tuple(description.class_names)


def _network(
    description: DetectorDescription,
    digest: str,
    build: Callable[[tuple[int, int]], Any],
    exported: bytes | None = None,
) -> YoloNetwork:
    return YoloNetwork(
        heads=description.heads,
        class_count=len(description.class_names),
        stride=STRIDES[-1],
        long_side=description.long_side,
        digest=digest,
        build=build,
        exported=exported,
        confidence=description.confidence,
        stretch=description.stretch,
    )


def _build(path: str | PathLike[str], input_size: tuple[int, int]) -> Any:
    return load_detector(path, input_size=input_size)


def _refuse(path: str | PathLike[str], input_size: tuple[int, int]) -> Any:
    raise ConfigError(
        f"detector {path}: a .tflite runs on LiteRT and a CPU only; for runtime xla or a GPU name "
        "the .keras that it was made of, or take --runtime litert"
    )
