"""This package's appearance networks as `.keras` files: description and building."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from tracker.errors import ModelError
from tracker.models.backbones.names import REID_BACKBONES, RESIDUAL
from tracker.models.files.described_network import NetworkFile, check_described_backbone
from tracker.models.reid_shape import CROP_HEIGHT, CROP_WIDTH

FORMAT = "tracker reid"
"""Name of the kind in the file."""


@dataclass(frozen=True, slots=True)
class ReidDescription:
    """Description of an appearance network, apart from its weights.

    Attributes:
        dimension: `D`, length of an embedding.
        backbone: Name of its backbone; files without one have "residual".

    Raises:
        ModelError: The dimension is below 1, or the backbone is unknown.
    """

    dimension: int
    backbone: str = RESIDUAL

    def __post_init__(self) -> None:
        if self.dimension < 1:
            raise ModelError(f"dimension: expected at least 1, got {self.dimension}")
        check_described_backbone(self.backbone, REID_BACKBONES)


def save_reid(network: Any, path: Path, *, backbone: str = RESIDUAL) -> None:
    """Writes an appearance network, atomically.

    Args:
        network: From `models.reid.build_reid`.
        path: The file; its name ends in `.keras`.
        backbone: Name of the network's backbone.

    Raises:
        ModelError: The name has another suffix, or the backbone is unknown.
        OutputError: The file cannot be written.
    """
    REID_FILE.write(network, path, ReidDescription(int(network.output_shape[-1]), backbone))


def read_reid_description(path: str | PathLike[str]) -> ReidDescription:
    """Returns the description in an appearance network's file, after checking that it is complete.

    Raises:
        ModelError: The file is missing, no archive, damaged, no appearance network of this package,
            or of another version.
    """
    return REID_FILE.read(path)


def load_reid(path: str | PathLike[str]) -> Any:
    """Returns the `keras.Model` of a file, for inference or further training.

    Raises:
        ModelError: The file is missing, no archive, damaged, no appearance network of this package,
            of another version, or its weights do not fit its description.
        DependencyError: The installed Keras release does not have its backbone.
    """

    def build(description: ReidDescription) -> Any:
        from tracker.models.reid import build_reid

        return build_reid(description.dimension, backbone=description.backbone)

    return REID_FILE.load(path, build)


def _record(description: ReidDescription) -> dict[str, Any]:
    return {
        "input_size": [CROP_HEIGHT, CROP_WIDTH],
        "dimension": description.dimension,
        "backbone": description.backbone,
    }


def _description(record: Mapping[str, Any]) -> ReidDescription:
    if record["input_size"] != [CROP_HEIGHT, CROP_WIDTH]:
        raise ModelError(
            f"expected input_size [{CROP_HEIGHT}, {CROP_WIDTH}], got {record['input_size']}"
        )
    return ReidDescription(int(record["dimension"]), str(record.get("backbone", RESIDUAL)))


REID_FILE = NetworkFile(
    what="embedder",
    format=FORMAT,
    command="tracker train reid",
    to_record=_record,
    from_record=_description,
    described=lambda description: (
        f"this release's network with {description.dimension} values on {description.backbone}"
    ),
)
"""The file format of appearance networks; `text` and `parse` convert a description alone."""
