"""This package's detectors as `.keras` files: their description, and how they are built."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
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
from tracker.models.heads import Head
from tracker.models.integral_shape import INTEGRAL_STRIDES, integral_heads, integral_shape
from tracker.models.yolo_shape import STRIDES, YoloSize, yolo_heads
from tracker.util.short_repr import short_repr

CONFIDENCE = 0.25
"""Default score threshold, unless the user or the file gives another."""

STRETCH = 4 / 3
"""Images keep their aspect up to this factor where a network has integral boxes: NanoDet-Plus, from
whose weights they start, saw square inputs of images that are mostly 4:3."""


class HeadStyle(Enum):
    """Which network a detector is."""

    ANCHOR_FREE = "anchor-free"
    """`models.yolo`: a distance for each side."""
    INTEGRAL = "integral"
    """`models.integral`: a distribution over distances for each side."""


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
        style: Which network it is.

    Raises:
        ModelError: There is no class, two have the same name, the long side or the confidence is
            invalid, the backbone is unknown, or is not the one of this size with integral boxes.
    """

    size: YoloSize
    class_names: tuple[str, ...]
    long_side: int
    backbone: str = CROSS_STAGE
    confidence: float = CONFIDENCE
    style: HeadStyle = HeadStyle.ANCHOR_FREE

    def __post_init__(self) -> None:
        names = self.class_names
        if not names or len(set(names)) != len(names) or not all(names):
            raise ModelError(f"class names: expected different ones, at least one, got {names}")
        check_long_side(self.long_side)
        if not 0 <= self.confidence <= 1:
            raise ModelError(f"confidence: expected from 0 to 1, got {self.confidence}")
        check_described_backbone(self.backbone, DETECTOR_BACKBONES)
        if self.style is HeadStyle.INTEGRAL and self.backbone != integral_shape(self.size).backbone:
            raise ModelError(
                f"backbone: expected {integral_shape(self.size).backbone} for integral heads of "
                f"size {self.size.value}, got {self.backbone}"
            )

    @property
    def heads(self) -> tuple[Head, ...]:
        """The heads of the network's maps, in their order."""
        count = len(self.class_names)
        return integral_heads(count) if self.style is HeadStyle.INTEGRAL else yolo_heads(count)

    @property
    def strides(self) -> tuple[int, ...]:
        """Stride of each map in input pixels."""
        return INTEGRAL_STRIDES if self.style is HeadStyle.INTEGRAL else STRIDES

    @property
    def stretch(self) -> float:
        """Largest factor by which fitting an image changes its aspect; 1 keeps it."""
        return STRETCH if self.style is HeadStyle.INTEGRAL else 1.0


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
    channels = description.heads[0].channels - len(description.class_names)
    check_class_count(network.outputs[0].shape[-1] - channels, description.class_names)
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
    return DETECTOR_FILE.load(
        path, lambda description: build_detector(description, input_size=input_size)
    )


def build_detector(
    description: DetectorDescription,
    *,
    input_size: tuple[int, int] | None = None,
    features: Callable[[Any], list[Any]] | None = None,
) -> Any:
    """Returns a described network with new weights; loads Keras.

    Args:
        description: Which network.
        input_size: Height and width in pixels, multiples of 32; `None` for any.
        features: Returns the features of an image at strides 8, 16 and 32; `None` for those of its
            backbone.

    Raises:
        ConfigError: The input size is invalid.
        DependencyError: The installed Keras release does not have its backbone.
    """
    count = len(description.class_names)
    if description.style is HeadStyle.INTEGRAL:
        from tracker.models.integral import build_integral

        return build_integral(description.size, count, input_size=input_size, features=features)
    from tracker.models.yolo import build_yolo

    return build_yolo(
        description.size,
        count,
        input_size=input_size,
        backbone=description.backbone,
        features=features,
    )


def _record(description: DetectorDescription) -> dict[str, Any]:
    return {
        "size": description.size.value,
        "backbone": description.backbone,
        "heads": description.style.value,
        "strides": description.strides,
        "long_side": description.long_side,
        "confidence": description.confidence,
        "class_names": description.class_names,
    }


def _description(record: Mapping[str, Any]) -> DetectorDescription:
    description = DetectorDescription(
        YoloSize(record["size"]),
        read_names(record),
        long_side=int(record["long_side"]),
        backbone=str(record.get("backbone", CROSS_STAGE)),
        confidence=float(record.get("confidence", CONFIDENCE)),
        style=_style(record["heads"]),
    )
    if tuple(record["strides"]) != description.strides:
        raise ModelError(
            f"expected {description.style.value} heads at strides {description.strides}, got "
            f"{record['strides']}"
        )
    return description


def _style(name: Any) -> HeadStyle:
    try:
        return HeadStyle(name)
    except ValueError as error:
        known = " or ".join(style.value for style in HeadStyle)
        raise ModelError(f"expected {known} heads, got {short_repr(name)}") from error


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
