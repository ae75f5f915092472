"""This package's segmenters as `.keras` files: their description, and how they are built."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from os import PathLike
from pathlib import Path
from typing import Any

from tracker.errors import ModelError
from tracker.models.backbones.names import DETECTOR_BACKBONES, SHUFFLENETS
from tracker.models.files.archive import read_names
from tracker.models.files.described_network import (
    NetworkFile,
    check_class_count,
    check_described_backbone,
    check_long_side,
)
from tracker.models.yolo_shape import YoloSize
from tracker.util.short_repr import short_repr


class SegmenterHead(StrEnum):
    """What computes the scores of pixels, and of which image."""

    FCN_8S = "fcn-8s"
    """FCN-8s on whole frames, `models.fcn.fcn8s`."""
    CROP_UNET = "crop-u-net"
    """A decoder with skip connections on square crops of boxes, `models.crop_unet`."""


@dataclass(frozen=True, slots=True)
class SegmenterDescription:
    """Description of a segmenter, apart from its weights.

    Attributes:
        class_names: Names by class index, background included.
        long_side: Long side in pixels of the input that it was trained at, a multiple of 32; of
            "crop-u-net" the side of the crops.
        backbone: Name of its backbone.
        size: Widths of the backbone "cross-stage".
        head: What computes the scores.

    Raises:
        ModelError: There are fewer than 2 or more than 255 classes, two have the same name, the
            long side is invalid, or the backbone is unknown.
    """

    class_names: tuple[str, ...]
    long_side: int
    backbone: str
    size: YoloSize = YoloSize.SMALL
    head: SegmenterHead = SegmenterHead.FCN_8S

    def __post_init__(self) -> None:
        names = self.class_names
        if not 2 <= len(names) <= 255 or len(set(names)) != len(names) or not all(names):
            raise ModelError(f"class names: expected 2 to 255 different ones, got {names}")
        check_long_side(self.long_side)
        is_crops = self.head is SegmenterHead.CROP_UNET
        check_described_backbone(self.backbone, SHUFFLENETS if is_crops else DETECTOR_BACKBONES)


def save_segmenter(network: Any, path: Path, description: SegmenterDescription) -> None:
    """Writes a segmenter, atomically.

    Args:
        network: From `build_segmenter` of the description.
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
    return SEGMENTER_FILE.load(path, lambda found: build_segmenter(found, input_size=input_size))


def build_segmenter(
    description: SegmenterDescription, *, input_size: tuple[int, int] | None = None
) -> Any:
    """Returns the network of a description with new weights.

    Args:
        description: The description.
        input_size: Height and width in pixels of FCN-8s, multiples of 32; `None` for any.

    Raises:
        ConfigError: The input size is invalid.
        DependencyError: The installed Keras release does not have the backbone.
    """
    count = len(description.class_names)
    if description.head is SegmenterHead.CROP_UNET:
        from tracker.models.crop_unet import build_crop_unet

        return build_crop_unet(description.backbone, count)
    from tracker.models.fcn.fcn8s import build_fcn8s

    return build_fcn8s(description.backbone, count, input_size=input_size, size=description.size)


def _record(description: SegmenterDescription) -> dict[str, Any]:
    return {
        "head": description.head.value,
        "backbone": description.backbone,
        "size": description.size.value,
        "long_side": description.long_side,
        "class_names": description.class_names,
    }


def _description(record: Mapping[str, Any]) -> SegmenterDescription:
    known = [head.value for head in SegmenterHead]
    if record["head"] not in known:
        raise ModelError(
            f"expected head {' or '.join(known)}, got {short_repr(record['head'])}; "
            "use the release that wrote it, or train again"
        )
    return SegmenterDescription(
        read_names(record),
        long_side=int(record["long_side"]),
        backbone=str(record["backbone"]),
        size=YoloSize(record["size"]),
        head=SegmenterHead(record["head"]),
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
