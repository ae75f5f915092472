"""Finished segmenters of ours: a `.keras` file that says what it is.

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
from tracker.models.backbones.names import DETECTOR_BACKBONES, check_backbone
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

_FORMAT, _HEAD = "tracker segmenter", "fcn-8s"


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
        if self.long_side < STRIDES[-1] or self.long_side % STRIDES[-1]:
            raise ModelError(
                f"long side: expected a positive multiple of {STRIDES[-1]}, got {self.long_side}"
            )
        try:
            check_backbone(self.backbone, DETECTOR_BACKBONES)
        except ConfigError as error:
            raise ModelError(str(error)) from error


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
    count = network.output_shape[-1]
    if count != len(description.class_names):
        raise ModelError(
            f"class names: expected {count} as the network has, got {len(description.class_names)}"
        )
    write_archive(network, path, segmenter_text(description))


def read_segmenter_description(path: str | PathLike[str]) -> SegmenterDescription:
    """Returns what a segmenter file says of itself, after checking that the file is whole.

    Raises:
        ModelError: It is missing, no archive, damaged, no segmenter of ours, or of another version.
    """
    path = Path(path)
    wanted = "a file that `tracker train segmenter` wrote"
    return parse_segmenter(path, read_text(path, what="segmenter", wanted=wanted))


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
    description = read_segmenter_description(path)
    load_tensorflow()  # Before Keras, which would let it print to standard error.
    from tracker.models.fcn.fcn8s import build_fcn8s

    network = build_fcn8s(
        description.backbone,
        len(description.class_names),
        input_size=input_size,
        size=description.size,
    )
    described = f"{len(description.class_names)} classes on {description.backbone}"
    load_weights(network, path, what="segmenter", described=described)
    return network


def segmenter_text(description: SegmenterDescription) -> str:
    """Returns a description as JSON."""
    record = {
        "format": _FORMAT,
        "version": VERSION,
        "head": _HEAD,
        "backbone": description.backbone,
        "size": description.size.value,
        "long_side": description.long_side,
        "class_names": description.class_names,
    }
    return json.dumps(record, ensure_ascii=False, indent=2) + "\n"


def parse_segmenter(path: Path, text: bytes) -> SegmenterDescription:
    """Returns the description that the JSON in a file gives.

    Raises:
        ModelError: It is malformed, of another version, or of something else.
    """
    return parse_text(path, text, _description, what="segmenter")


def _description(record: Mapping[str, Any]) -> SegmenterDescription:
    if record["format"] != _FORMAT:
        raise ModelError(
            f"expected a file that `tracker train segmenter` wrote, got a {record['format']!r} file"
        )
    if (record["version"], record["head"]) != (VERSION, _HEAD):
        raise ModelError(
            f"expected version {VERSION} with head {_HEAD!r}, got {record['version']} with "
            f"{record['head']!r}; use the release that wrote it, or train anew"
        )
    return SegmenterDescription(
        read_names(record),
        long_side=int(record["long_side"]),
        backbone=str(record["backbone"]),
        size=YoloSize(record["size"]),
    )
