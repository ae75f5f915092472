"""This package's detectors as `.keras` files: their description, and how they are built."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from tracker.errors import ModelError
from tracker.models.backbones.names import CROSS_STAGE, DETECTOR_BACKBONES
from tracker.models.files.archive import read_names
from tracker.models.files.described_network import (
    NetworkFile,
    check_class_count,
    check_described_backbone,
    check_long_side,
)
from tracker.models.yolo_shape import STRIDES, YoloSize

CONFIDENCE = 0.25
"""Default score threshold, unless the user or the file gives another."""

_HEADS = "anchor-free"


@dataclass(frozen=True, slots=True)
class DetectorDescription:
    """Description of a detector, apart from its weights.

    Attributes:
        size: Size of the network.
        class_names: Names by class index.
        long_side: Long side in pixels of the input that it was trained at, a multiple of 32.
        backbone: Name of its backbone; files without one have "cross-stage".
        confidence: Default score threshold of detections to track, in `[0, 1]`, unless the user
            gives one; files without one have 0.25.

    Raises:
        ModelError: There is no class, two have the same name, the long side or the confidence is
            invalid, or the backbone is unknown.
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
        check_long_side(self.long_side)
        if not 0 <= self.confidence <= 1:
            raise ModelError(f"confidence: expected from 0 to 1, got {self.confidence}")
        check_described_backbone(self.backbone, DETECTOR_BACKBONES)


def save_detector(network: Any, path: Path, description: DetectorDescription) -> None:
    """Writes a detector, atomically.

    Args:
        network: From `models.yolo.build_yolo` with the size, the classes and the backbone of
            the description.
        path: The file; its name ends in `.keras`.
        description: Its description.

    Raises:
        ModelError: The network has another number of classes, or the name another suffix.
        OutputError: The file cannot be written.
    """
    check_class_count(network.outputs[0].shape[-1] - 4, description.class_names)
    DETECTOR_FILE.write(network, path, description)


def read_description(path: str | PathLike[str]) -> DetectorDescription:
    """Returns the description in a detector file, after checking that the file is complete.

    Raises:
        ModelError: The file is missing, no archive, damaged, no detector of this package, or of
            another version.
    """
    return DETECTOR_FILE.read(path)


def load_detector(path: str | PathLike[str], *, input_size: tuple[int, int] | None = None) -> Any:
    """Returns the `keras.Model` of a detector file, for inference or further training.

    Args:
        path: The file.
        input_size: Height and width in pixels, multiples of 32; `None` for any.

    Raises:
        ModelError: The file is missing, no archive, damaged, no detector of this package, of
            another version, or its weights do not fit its description.
        ConfigError: The input size is invalid.
        DependencyError: The installed Keras release does not have its backbone.
    """

    def build(description: DetectorDescription) -> Any:
        from tracker.models.yolo import build_yolo

        return build_yolo(
            description.size,
            len(description.class_names),
            input_size=input_size,
            backbone=description.backbone,
        )

    return DETECTOR_FILE.load(path, build)


def _record(description: DetectorDescription) -> dict[str, Any]:
    return {
        "size": description.size.value,
        "backbone": description.backbone,
        "heads": _HEADS,
        "strides": STRIDES,
        "long_side": description.long_side,
        "confidence": description.confidence,
        "class_names": description.class_names,
    }


def _description(record: Mapping[str, Any]) -> DetectorDescription:
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


DETECTOR_FILE = NetworkFile(
    what="detector",
    format="tracker detector",
    command="tracker train detector",
    to_record=_record,
    from_record=_description,
    described=lambda description: (
        f"{description.size.value} with {len(description.class_names)} classes on "
        f"{description.backbone}"
    ),
)
"""The file format of detectors; `text` and `parse` convert a description alone."""
