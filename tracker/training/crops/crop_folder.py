"""A folder of crops with the vectors of teachers: written crop by crop, read by the training.

The folder has `crops/NAME.png`, `crops.csv` (file, group, class, source: a line a crop),
`vectors/TEACHER.npy` (a row a line of `crops.csv`) and `crops.json` (what the folder is).
`asked/TEACHER/IMAGE.npz` holds each image's vectors with the boxes that they belong to, so that
a resumed run does not repeat inference. With views of the crops (`view_folder`), the table lists
only these.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import DataError, SourceError
from tracker.training.datasets import read_image
from tracker.training.reid.data import CropSet
from tracker.util.archives import read_npy, read_npz
from tracker.util.arrays import Float32Array, UInt8Array
from tracker.util.atomic_file import make_parent, replace_bytes
from tracker.util.csv_text import csv_text
from tracker.util.opencv import cv2

RECORD, TABLE, VECTORS = "crops.json", "crops.csv", "vectors"

_HEADER = ["file", "group", "class", "source"]


@dataclass(frozen=True, slots=True)
class CropRow:
    """A crop of the folder, or a view of one.

    Attributes:
        file: Name in `crops`.
        group: Crops of one group show the same object.
        class_name: Of the object.
        source: The image, or the video and its frame, that it was cut from. Others from which a
            view has its lower part or a cover are not named.
    """

    file: str
    group: str
    class_name: str
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class TaughtCrops:
    """What a folder holds.

    Attributes:
        crops: The crops, without targets.
        vectors: `(N, E)` float32 by teacher.
        class_names: `N` names.
    """

    crops: CropSet
    vectors: Mapping[str, Float32Array]
    class_names: tuple[str, ...]


def crop_path(folder: Path, name: str) -> Path:
    """Returns the path of a crop."""
    return folder / "crops" / name


def write_crop(folder: Path, name: str, crop: UInt8Array) -> None:
    """Writes a crop `(h, w, 3)` uint8 RGB into `crops`.

    Raises:
        OutputError: It cannot be written.
    """
    _, data = cv2.imencode(".png", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))
    replace_file(crop_path(folder, name), data.tobytes())


def cached_vectors(
    folder: Path,
    teacher: str,
    image: str,
    key: NDArray[Any],
    infer: Callable[[], Float32Array],
) -> Float32Array:
    """Returns a teacher's vectors `(N, E)` of objects in an image, stored or inferred now.

    Args:
        folder: The folder.
        teacher: The teacher's name.
        image: Name of the image, or of some views.
        key: The boxes of the objects, or a digest of the views; vectors that were stored with
            another one are not used.
        infer: Returns the vectors.

    Raises:
        DataError: The file of an earlier run is broken.
        OutputError: It cannot be written.
    """
    path = folder / "asked" / teacher / f"{image}.npz"
    if path.exists():
        try:
            arrays = read_npz(path)
            if np.array_equal(arrays["boxes"], key):
                return np.asarray(arrays["vectors"], np.float32)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{path}: expected a teacher's vectors; delete it: {error}") from error
    vectors, text = infer(), io.BytesIO()
    np.savez(text, boxes=key, vectors=vectors)
    replace_file(path, text.getvalue())
    return vectors


def write_table(
    folder: Path, rows: Sequence[CropRow], vectors: Mapping[str, Sequence[Float32Array]]
) -> None:
    """Writes which crops the folder has, and all vectors of each teacher.

    Args:
        folder: The folder.
        rows: The crops.
        vectors: By teacher: parts `(n, E)` whose rows are the crops in their order.

    Raises:
        OutputError: A file cannot be written.
    """
    for teacher, parts in vectors.items():
        data = io.BytesIO()
        np.save(data, np.concatenate(parts))
        replace_file(folder / VECTORS / f"{teacher}.npy", data.getvalue())
    cells = ((row.file, row.group, row.class_name, row.source) for row in rows)
    replace_file(folder / TABLE, csv_text([_HEADER, *cells]).encode())


def is_crop_folder(folder: Path) -> bool:
    """Returns whether a folder was made by `tracker train crops`."""
    return (folder / RECORD).is_file()


def read_crop_folder(folder: Path) -> TaughtCrops:
    """Returns the crops of a folder with the vectors of its teachers.

    Raises:
        SourceError: A file is missing, or the folder was not finished.
        DataError: A file is malformed, or files do not fit each other.
    """
    if not (folder / TABLE).is_file():
        raise SourceError(
            f"{folder}: expected {TABLE}, got none: the run that cuts its crops was stopped; give "
            "the same `tracker train crops` again"
        )
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        margin, teachers = float(record["margin"]), list(record["in_use"])
        text = (folder / TABLE).read_text(encoding="utf-8")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / RECORD}: not as `tracker train crops` wrote it: {error}") from (
            error
        )
    header, *rows = csv.reader(io.StringIO(text))
    if header != _HEADER or not rows or not all(len(row) == len(_HEADER) for row in rows):
        raise DataError(
            f"{folder / TABLE}: expected the columns {', '.join(_HEADER)} and a line for each crop"
        )
    images = [read_image(crop_path(folder, row[0])) for row in rows]
    if len({image.shape for image in images}) != 1:
        raise DataError(f"{folder}/crops: expected images of one size, got several")
    _, groups = np.unique([row[1] for row in rows], return_inverse=True)
    nothing = np.zeros((len(rows), 0), np.float32)
    return TaughtCrops(
        crops=CropSet(np.stack(images), groups.astype(np.int64), nothing, margin),
        vectors={name: _vectors(folder, name, len(rows)) for name in teachers},
        class_names=tuple(row[2] for row in rows),
    )


def holds_views(folder: Path) -> bool:
    """Returns whether what a folder of `tracker train crops` lists are views of crops."""
    return bool(_readable_record(folder).get("views"))


def has_teachers(folder: Path) -> bool:
    """Returns whether a folder of `tracker train crops` holds vectors of teachers."""
    return bool(_readable_record(folder).get("in_use"))


def replace_file(path: Path, data: bytes) -> None:
    """Writes a file, and makes its folder; the file is complete or the old one.

    Raises:
        OutputError: It cannot be written.
    """
    make_parent(path)
    replace_bytes(path, data)


def _readable_record(folder: Path) -> dict[str, Any]:
    """Returns the record of a folder, empty if unreadable: `read_crop_folder` reports why."""
    try:
        return dict(json.loads((folder / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _vectors(folder: Path, teacher: str, count: int) -> Float32Array:
    path = folder / VECTORS / f"{teacher}.npy"
    try:
        vectors = read_npy(path)
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: expected a teacher's vectors, got none: {error}") from error
    if vectors.ndim != 2 or len(vectors) != count or vectors.dtype != np.float32:
        raise DataError(
            f"{path}: expected float32 ({count}, E), a row a crop, got {vectors.dtype} "
            f"{vectors.shape}"
        )
    return np.asarray(vectors, np.float32)
