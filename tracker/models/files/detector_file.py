"""Finished detectors of ours: a `.keras` file that says what it is.

Comes in: a network with its description, or a path. Goes out: the file, its description, the
network. The archive that Keras writes gets one more member, `tracker.json`. Loading builds the
network by our own code and reads numbers from the file; nothing that the file says is executed.
Reading a description loads no Keras.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from tracker.errors import ConfigError, ModelError
from tracker.inference.tensorflow import load_tensorflow
from tracker.models.backbones.names import CROSS_STAGE, DETECTOR_BACKBONES, check_backbone
from tracker.models.files.archive import (
    load_weights,
    parse_text,
    read_names,
    read_text,
    write_archive,
)
from tracker.models.yolo_shape import STRIDES, YoloSize

VERSION = 1
"""Raised whenever files of before can not be read any more."""

CONFIDENCE = 0.25
"""Score above which a detection counts, where neither the user nor the file says otherwise."""

_FORMAT, _HEADS = "tracker detector", "anchor-free"


@dataclass(frozen=True, slots=True)
class DetectorDescription:
    """What a detector is, besides its weights.

    Attributes:
        size: Size of the network.
        class_names: Names by class index.
        long_side: Long side in pixels of the input that it was trained at, a multiple of 32.
        backbone: Name of its backbone; files without one have "cross-stage".
        confidence: Score above which a detection is worth following, in `[0, 1]`, where the user
            names none; files without one have 0.25.

    Raises:
        ModelError: There is no class, two have one name, the long side or the confidence does not
            fit, or the backbone is unknown.
    """

    size: YoloSize
    class_names: tuple[str, ...]
    long_side: int
    backbone: str = CROSS_STAGE
    confidence: float = CONFIDENCE

    def __post_init__(self) -> None:
        names = self.class_names
        if not names or len(set(names)) != len(names) or not all(names):
            raise ModelError(f"class names: expected different ones, at least one, got {names}")
        if self.long_side < STRIDES[-1] or self.long_side % STRIDES[-1]:
            raise ModelError(
                f"long side: expected a positive multiple of {STRIDES[-1]}, got {self.long_side}"
            )
        if not 0 <= self.confidence <= 1:
            raise ModelError(f"confidence: expected from 0 to 1, got {self.confidence}")
        try:
            check_backbone(self.backbone, DETECTOR_BACKBONES)
        except ConfigError as error:
            raise ModelError(str(error)) from error


def save_detector(network: Any, path: Path, description: DetectorDescription) -> None:
    """Writes a detector; whoever kills us meanwhile leaves the old file as it was.

    Args:
        network: From `models.yolo.build_yolo` with the size, the classes and the backbone of
            the description.
        path: Where to; its name ends in `.keras`.
        description: What it is.

    Raises:
        ModelError: The network has another number of classes, or the name another ending.
        OutputError: The file cannot be written.
    """
    count = network.outputs[0].shape[-1] - 4
    if count != len(description.class_names):
        raise ModelError(
            f"class names: expected {count} as the network has, got {len(description.class_names)}"
        )
    write_archive(network, path, detector_text(description))


def read_description(path: str | PathLike[str]) -> DetectorDescription:
    """Returns what a detector file says of itself, after checking that the file is whole.

    Raises:
        ModelError: It is missing, no archive, damaged, no detector of ours, or of another version.
    """
    path = Path(path)
    wanted = "a detector that `tracker train detector` wrote"
    text = read_text(path, what="detector", wanted=wanted)
    return parse_detector(path, text)


def load_detector(path: str | PathLike[str], *, input_size: tuple[int, int] | None = None) -> Any:
    """Returns the `keras.Model` of a detector file, for inference or as a start of training.

    Args:
        path: The file.
        input_size: Height and width in pixels, multiples of 32; `None` takes any.

    Raises:
        ModelError: It is missing, no archive, damaged, no detector of ours, of another version, or
            its weights do not fit its description.
        ConfigError: The input size does not fit.
        DependencyError: This release of Keras lacks its backbone.
    """
    description = read_description(path)
    load_tensorflow()  # Before Keras, which would let it print to standard error.
    from tracker.models.yolo import build_yolo

    network = build_yolo(
        description.size,
        len(description.class_names),
        input_size=input_size,
        backbone=description.backbone,
    )
    described = (
        f"{description.size.value} with {len(description.class_names)} classes on "
        f"{description.backbone}"
    )
    load_weights(network, path, what="detector", described=described)
    return network


def detector_text(description: DetectorDescription) -> str:
    """Returns a description as JSON."""
    record = {
        "format": _FORMAT,
        "version": VERSION,
        "size": description.size.value,
        "backbone": description.backbone,
        "heads": _HEADS,
        "strides": STRIDES,
        "long_side": description.long_side,
        "confidence": description.confidence,
        "class_names": description.class_names,
    }
    return json.dumps(record, ensure_ascii=False, indent=2) + "\n"


def parse_detector(path: Path, text: bytes) -> DetectorDescription:
    """Returns the description that the JSON in a file gives.

    Raises:
        ModelError: It is malformed, of another version, or of something else.
    """
    return parse_text(path, text, _description, what="detector")


def _description(record: Mapping[str, Any]) -> DetectorDescription:
    version = record["version"] if record["format"] == _FORMAT else None
    if version != VERSION:
        raise ModelError(
            f"expected format {_FORMAT!r} version {VERSION}, got {record['format']!r} version "
            f"{record['version']}; use the release that wrote it, or train anew"
        )
    if (record["heads"], tuple(record["strides"])) != (_HEADS, STRIDES):
        raise ModelError(
            f"expected {_HEADS} heads at strides {STRIDES}, got {record['heads']} at "
            f"{record['strides']}"
        )
    return DetectorDescription(
        YoloSize(record["size"]),
        read_names(record),
        long_side=int(record["long_side"]),
        backbone=str(record.get("backbone", CROSS_STAGE)),
        confidence=float(record.get("confidence", CONFIDENCE)),
    )
