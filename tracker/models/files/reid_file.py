"""Finished appearance networks of ours: a `.keras` file that says what it is.

Comes in: a network, or a path. Goes out: the file, its description, the network. The archive that
Keras writes gets one more member, `tracker.json`. Loading builds the network by our own code and
reads numbers from the file; nothing that the file says is executed. Reading a description loads no
Keras.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from tracker.errors import ConfigError, ModelError
from tracker.inference.tensorflow import load_tensorflow
from tracker.models.backbones.names import REID_BACKBONES, RESIDUAL, check_backbone
from tracker.models.files.archive import (
    load_weights,
    parse_text,
    read_text,
    write_archive,
)
from tracker.models.reid_shape import CROP_HEIGHT, CROP_WIDTH

VERSION = 1
"""Raised whenever files of before can not be read any more."""

FORMAT = "tracker reid"
"""What the file says that it is."""


@dataclass(frozen=True, slots=True)
class ReidDescription:
    """What an appearance network is, besides its weights.

    Attributes:
        dimension: `D`, values of an embedding.
        backbone: Name of its backbone; files without one have "residual".

    Raises:
        ModelError: The dimension is below 1, or the backbone is unknown.
    """

    dimension: int
    backbone: str = RESIDUAL

    def __post_init__(self) -> None:
        if self.dimension < 1:
            raise ModelError(f"dimension: expected at least 1, got {self.dimension}")
        try:
            check_backbone(self.backbone, REID_BACKBONES)
        except ConfigError as error:
            raise ModelError(str(error)) from error


def save_reid(network: Any, path: Path, *, backbone: str = RESIDUAL) -> None:
    """Writes an appearance network; whoever kills us meanwhile leaves the old file as it was.

    Args:
        network: From `models.reid.build_reid`.
        path: Where to; its name ends in `.keras`.
        backbone: Name of the network's backbone.

    Raises:
        ModelError: The name has another ending, or the backbone is unknown.
        OutputError: The file cannot be written.
    """
    description = ReidDescription(int(network.output_shape[-1]), backbone)
    text = reid_text(description.dimension, backbone=description.backbone)
    write_archive(network, path, text)


def read_reid_description(path: str | PathLike[str]) -> ReidDescription:
    """Returns what the file of an appearance network says, after checking that it is whole.

    Raises:
        ModelError: It is missing, no archive, damaged, no appearance network of ours, or of another
            version.
    """
    path = Path(path)
    wanted = "a file that `tracker train reid` wrote"
    text = read_text(path, what="embedder", wanted=wanted)
    return parse_reid(path, text)


def load_reid(path: str | PathLike[str]) -> Any:
    """Returns the `keras.Model` of a file, for inference or as a start of training.

    Raises:
        ModelError: It is missing, no archive, damaged, no appearance network of ours, of another
            version, or its weights do not fit its description.
        DependencyError: This release of Keras lacks its backbone.
    """
    description = read_reid_description(path)
    load_tensorflow()  # Before Keras, which would let it print to standard error.
    from tracker.models.reid import build_reid

    network = build_reid(description.dimension, backbone=description.backbone)
    described = (
        f"this release's network with {description.dimension} values on {description.backbone}"
    )
    load_weights(network, path, what="embedder", described=described)
    return network


def reid_text(dimension: int, *, backbone: str = RESIDUAL) -> str:
    """Returns the description of an appearance network as JSON."""
    record = {
        "format": FORMAT,
        "version": VERSION,
        "input_size": [CROP_HEIGHT, CROP_WIDTH],
        "dimension": dimension,
        "backbone": backbone,
    }
    return json.dumps(record, indent=2) + "\n"


def parse_reid(path: Path, text: bytes) -> ReidDescription:
    """Returns the description that the JSON in a file gives.

    Raises:
        ModelError: It is malformed, of another version, or of something else.
    """
    return parse_text(path, text, _description, what="embedder")


def _description(record: Mapping[str, Any]) -> ReidDescription:
    if record["format"] != FORMAT:
        raise ModelError(
            f"expected a file that `tracker train reid` wrote, got a {record['format']!r} file"
        )
    if record["version"] != VERSION:
        raise ModelError(
            f"expected version {VERSION}, got {record['version']}; use the release that wrote "
            "it, or train anew"
        )
    if record["input_size"] != [CROP_HEIGHT, CROP_WIDTH]:
        raise ModelError(
            f"expected input_size [{CROP_HEIGHT}, {CROP_WIDTH}], got {record['input_size']}"
        )
    return ReidDescription(int(record["dimension"]), str(record.get("backbone", RESIDUAL)))
