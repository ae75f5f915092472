"""Finished appearance networks of ours: a `.keras` file that says what it is.

Comes in: a network, or a path. Goes out: the file, its description, the network. The archive that
Keras writes gets one more member, `tracker.json`. Loading builds the network by our own code and
reads numbers from the file; nothing that the file says is executed. Reading a description loads no
Keras.
"""

import json
import os
import zipfile
import zlib
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from tracker.errors import ConfigError, ModelError, OutputError
from tracker.models.backbone_names import REID_BACKBONES, RESIDUAL, check_backbone
from tracker.models.exported import MEMBER
from tracker.models.files import read_model_file
from tracker.models.reid_shape import CROP_HEIGHT, CROP_WIDTH

SUFFIX = ".keras"
"""Ending of the files' names."""

VERSION = 1
"""Raised whenever files of before can not be read any more."""

FORMAT = "tracker reid"
"""What the file says that it is."""

_WEIGHTS = "model.weights.h5"
_DATE = (1980, 1, 1, 0, 0, 0)  # equal networks give equal members


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
    if path.suffix != SUFFIX:
        raise ModelError(f"{path}: expected a name that ends in {SUFFIX}")
    description = ReidDescription(int(network.output_shape[-1]), backbone)
    text = reid_text(description.dimension, backbone=description.backbone)
    # Keras looks at the ending of the name, so the draft needs it too.
    draft = path.with_name(f"part-{path.name}")
    try:
        network.save(draft)
        with zipfile.ZipFile(draft, "a") as archive:
            archive.writestr(zipfile.ZipInfo(MEMBER, _DATE), text)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_reid_description(path: str | PathLike[str]) -> ReidDescription:
    """Returns what the file of an appearance network says, after checking that it is whole.

    Raises:
        ModelError: It is missing, no archive, damaged, no appearance network of ours, or of another
            version.
    """
    path = Path(path)
    start = read_model_file(path, what="embedder")[:4]
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
            names = set(archive.namelist())
            text = archive.read(MEMBER) if MEMBER in names else None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError) as error:
        reason = (
            "the archive is cut short or damaged; copy it again"
            if start.startswith(b"PK")
            else "expected a .keras archive of Keras 3, got something else"
        )
        raise ModelError(f"embedder {path}: {reason}") from error
    if broken is not None:
        raise ModelError(f"embedder {path}: {broken} in it is damaged; copy it again")
    if text is None or _WEIGHTS not in names:
        raise ModelError(
            f"embedder {path}: expected a file that `tracker train reid` wrote, got "
            f"{'another Keras model' if _WEIGHTS in names else 'another archive'}"
        )
    return parse_reid(path, text)


def load_reid(path: str | PathLike[str]) -> Any:
    """Returns the `keras.Model` of a file, for inference or as a start of training.

    Raises:
        ModelError: It is missing, no archive, damaged, no appearance network of ours, of another
            version, or its weights do not fit its description.
        DependencyError: This release of Keras lacks its backbone.
    """
    description = read_reid_description(path)
    from tracker.models.reid import build_reid

    network = build_reid(description.dimension, backbone=description.backbone)
    try:
        network.load_weights(path)
    except Exception as error:  # h5py and Keras raise whatever they stumble over
        reason = (str(error).splitlines() or ["no message"])[0]
        raise ModelError(
            f"embedder {path}: its weights are not those of this release's network with "
            f"{description.dimension} values on {description.backbone}: {reason}"
        ) from error
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
    try:
        record = json.loads(text)
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
    except ModelError as error:
        raise ModelError(f"embedder {path}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"embedder {path}: {MEMBER} in it is malformed: {type(error).__name__}: {error}"
        ) from error
