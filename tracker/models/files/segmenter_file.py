"""This package's segmenters as `.keras` files: their description, and how they are built."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from tracker.errors import ModelError
from tracker.models.backbones.names import DETECTOR_BACKBONES
from tracker.models.files.archive import read_names
from tracker.models.files.described_network import (
    NetworkFile,
    check_class_count,
    check_described_backbone,
    check_long_side,
)
from tracker.models.yolo_shape import YoloSize

_HEAD = "fcn-8s"


@dataclass(frozen=True, slots=True)
class SegmenterDescription:
    """Description of a segmenter, apart from its weights.

    Attributes:
        class_names: Names by class index, background included.
        long_side: Long side in pixels of the input that it was trained at, a multiple of 32.
        backbone: Name of its backbone.
        size: Widths of the backbone "cross-stage".

    Raises:
        ModelError: There are fewer than 2 or more than 255 classes, two have the same name, the
            long side is invalid, or the backbone is unknown.
    """

    class_names: tuple[str, ...]
    long_side: int
    backbone: str
    size: YoloSize = YoloSize.SMALL

    def __post_init__(self) -> None:
        names = self.class_names
        if not 2 <= len(names) <= 255 or len(set(names)) != len(names) or not all(names):
            raise ModelError(f"class names: expected 2 to 255 different ones, got {names}")
        check_long_side(self.long_side)
        check_described_backbone(self.backbone, DETECTOR_BACKBONES)


def save_segmenter(network: Any, path: Path, description: SegmenterDescription) -> None:
    """Writes a segmenter, atomically.

    Args:
        network: From `models.fcn.fcn8s.build_fcn8s` with backbone, size and classes of the
            description.
        path: The file; its name ends in `.keras`.
        description: Its description.

    Raises:
        ModelError: The network has another number of classes, or the name another suffix.
        OutputError: The file cannot be written.
    """
    check_class_count(network.output_shape[-1], description.class_names)
    SEGMENTER_FILE.write(network, path, description)


def read_segmenter_description(path: str | PathLike[str]) -> SegmenterDescription:
    """Returns the description in a segmenter file, after checking that the file is complete.

    Raises:
        ModelError: The file is missing, no archive, damaged, no segmenter of this package, or of
            another version.
    """
    return SEGMENTER_FILE.read(path)


def load_segmenter(path: str | PathLike[str], *, input_size: tuple[int, int] | None = None) -> Any:
    """Returns the `keras.Model` of a segmenter file, for inference or further training.

    Args:
        path: The file.
        input_size: Height and width in pixels, multiples of 32; `None` for any.

    Raises:
        ModelError: The file is missing, no archive, damaged, no segmenter of this package, of
            another version, or its weights do not fit its description.
        ConfigError: The input size is invalid.
        DependencyError: The installed Keras release does not have its backbone.
    """

    def build(description: SegmenterDescription) -> Any:
        from tracker.models.fcn.fcn8s import build_fcn8s

        return build_fcn8s(
            description.backbone,
            len(description.class_names),
            input_size=input_size,
            size=description.size,
        )

    return SEGMENTER_FILE.load(path, build)


def _record(description: SegmenterDescription) -> dict[str, Any]:
    return {
        "head": _HEAD,
        "backbone": description.backbone,
        "size": description.size.value,
        "long_side": description.long_side,
        "class_names": description.class_names,
    }


def _description(record: Mapping[str, Any]) -> SegmenterDescription:
    if record["head"] != _HEAD:
        raise ModelError(
            f"expected head {_HEAD!r}, got {record['head']!r}; use the release that wrote it, or "
            "train again"
        )
    return SegmenterDescription(
        read_names(record),
        long_side=int(record["long_side"]),
        backbone=str(record["backbone"]),
        size=YoloSize(record["size"]),
    )


SEGMENTER_FILE = NetworkFile(
    what="segmenter",
    format="tracker segmenter",
    command="tracker train segmenter",
    to_record=_record,
    from_record=_description,
    described=lambda description: (
        f"{len(description.class_names)} classes on {description.backbone}"
    ),
)
"""The file format of segmenters; `text` and `parse` convert a description alone."""
