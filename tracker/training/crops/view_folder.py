"""Views in a folder of crops: made, written, and shown to the teachers."""

import hashlib
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from tracker.training.crops.crop_folder import CropRow, cached_vectors, crop_path, write_crop
from tracker.training.crops.cut import CropSettings
from tracker.training.crops.views import View, ViewedCrops, ViewSettings, all_views
from tracker.training.datasets import read_image
from tracker.training.labels.appearance_teachers import AppearanceTeacher, describe_both_ways
from tracker.util.arrays import Float32Array, UInt8Array

AT_ONCE = 96
"""Views in one inference of a teacher: an interruption loses no more. With their mirror images they
are twelve of a network's batches of 16."""


def write_views(
    folder: Path,
    rows: Sequence[CropRow],
    teachers: Sequence[AppearanceTeacher],
    *,
    views: ViewSettings,
    crops: CropSettings,
    done: Callable[[int], None],
) -> tuple[list[CropRow], dict[str, list[Float32Array]]]:
    """Returns the rows of all views, and by teacher parts `(n, E)` of its vectors.

    Views are made and written again even where their vectors are stored: that is quick, and shows
    whether they are unchanged.

    Args:
        folder: Has the crops already.
        rows: The crops.
        teachers: The teachers.
        views: How many views, and how.
        crops: How the crops were cut.
        done: Called with the number of finished views.

    Raises:
        SourceError: A crop cannot be read.
        DataError: The file of an earlier run is broken, or a teacher's vector has no length.
        OutputError: A file cannot be written.
    """
    _, groups = np.unique([row.group for row in rows], return_inverse=True)

    def read(number: int) -> UInt8Array:
        return read_image(crop_path(folder, rows[number].file))

    upright = np.array([row.class_name in crops.upright for row in rows], bool)
    made = all_views(ViewedCrops(read, groups, upright, crops.margin), views)
    found: list[CropRow] = []
    vectors: dict[str, list[Float32Array]] = {teacher.name: [] for teacher in teachers}
    while part := list(islice(made, AT_ONCE)):
        name = f"views-{len(found):06d}"
        for number, view in enumerate(part, start=len(found)):
            row = _row(view, number, rows[view.crop])
            write_crop(folder, row.file, view.image)
            found.append(row)
        for teacher in teachers:
            described = _teacher_vectors(folder, teacher, name, [view.image for view in part])
            vectors[teacher.name].append(described)
        done(len(found))
    return found, vectors


def _row(view: View, number: int, crop: CropRow) -> CropRow:
    name = f"view-{number:06d}"
    group = name if view.mixed else crop.group
    return CropRow(f"{name}.png", group, crop.class_name, crop.source)


def _teacher_vectors(
    folder: Path, teacher: AppearanceTeacher, name: str, images: Sequence[UInt8Array]
) -> Float32Array:
    digest = hashlib.sha256(np.stack(images).tobytes()).digest()

    def infer() -> Float32Array:
        return describe_both_ways(teacher, images)

    return cached_vectors(folder, teacher.name, name, np.frombuffer(digest, np.uint8), infer)
