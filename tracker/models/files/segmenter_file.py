"""Segmenters of ours as `.keras` files: their description, and how they are built."""

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
    """What a segmenter is, besides its weights.

    Attributes:
        class_names: Names by class index, those of what is nothing else included.
        long_side: Long side in pixels of the input that it was trained at, a multiple of 32.
        backbone: Name of its backbone.
        size: Widths of the backbone "cross-stage".

    Raises:
        ModelError: There are fewer classes than two or more than 255, two have one name, the long
            side does not fit, or the backbone is unknown.
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
    """Writes a segmenter; whoever kills us meanwhile leaves the old file as it was.

    Args:
        network: From `models.fcn8s.build_fcn8s` with backbone, size and classes of the description.
        path: Where to; its name ends in `.keras`.
        description: What it is.

    Raises:
        ModelError: The network has another number of classes, or the name another ending.
        OutputError: The file cannot be written.
    """
    check_class_count(network.output_shape[-1], description.class_names)
    _FILE.write(network, path, description)


def read_segmenter_description(path: str | PathLike[str]) -> SegmenterDescription:
    """Returns what a segmenter file says of itself, after checking that the file is whole.

    Raises:
        ModelError: It is missing, no archive, damaged, no segmenter of ours, or of another version.
    """
    return _FILE.read(path)


def load_segmenter(path: str | PathLike[str], *, input_size: tuple[int, int] | None = None) -> Any:
    """Returns the `keras.Model` of a segmenter file, for inference or as a start of training.

    Args:
        path: The file.
        input_size: Height and width in pixels, multiples of 32; `None` takes any.

    Raises:
        ModelError: It is missing, no archive, damaged, no segmenter of ours, of another version, or
            its weights do not fit its description.
        ConfigError: The input size does not fit.
        DependencyError: This release of Keras lacks its backbone.
    """

    def build(description: SegmenterDescription) -> Any:
        from tracker.models.fcn.fcn8s import build_fcn8s

        return build_fcn8s(
            description.backbone,
            len(description.class_names),
            input_size=input_size,
            size=description.size,
        )

    return _FILE.load(path, build)


def segmenter_text(description: SegmenterDescription) -> str:
    """Returns a description as JSON."""
    return _FILE.text(description)


def parse_segmenter(path: Path, text: bytes) -> SegmenterDescription:
    """Returns the description that the JSON in a file gives.

    Raises:
        ModelError: It is malformed, of another version, or of something else.
    """
    return _FILE.parse(path, text)


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
            "train anew"
        )
    return SegmenterDescription(
        read_names(record),
        long_side=int(record["long_side"]),
        backbone=str(record["backbone"]),
        size=YoloSize(record["size"]),
    )


_FILE = NetworkFile(
    what="segmenter",
    format="tracker segmenter",
    command="tracker train segmenter",
    to_record=_record,
    from_record=_description,
    described=lambda description: (
        f"{len(description.class_names)} classes on {description.backbone}"
    ),
)
