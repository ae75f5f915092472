"""The data file of a segmenter's training: YAML that names images with masks, and classes.

All masks are read and checked at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracker.errors import ConfigError, DataError, SourceError, nearest
from tracker.training.data_file import read_class_names
from tracker.training.segmenter.coco import BACKGROUND, CocoMasks
from tracker.training.segmenter.data import (
    CachedSegments,
    Joined,
    MaskFolder,
    SegmentDataset,
    count_pixels,
)
from tracker.util.arrays import Int64Array
from tracker.util.short_repr import short_repr
from tracker.util.yaml_text import read_yaml

_KEYS = ("path", "train", "val", "names")


@dataclass(frozen=True, slots=True, eq=False)
class SegmentSplits:
    """Training and validation data.

    Attributes:
        class_names: Names by class index.
        train: Training samples.
        validation: Validation samples.
        train_pixels: `(C,)` int64 training pixels of each class.
        validation_pixels: `(C,)` int64 validation pixels of each class.
    """

    class_names: tuple[str, ...]
    train: SegmentDataset
    validation: SegmentDataset
    train_pixels: Int64Array
    validation_pixels: Int64Array


def read_segment_splits(path: str | Path, *, long_side: int) -> SegmentSplits:
    """Returns the images with masks that a data file names.

    The file has `path` (from which the others count; by default the file's own folder), `train`,
    `val` and `names` (a list, or names by number from 0). An entry is a folder of images with
    masks beside it, or `{labels: FILE.json, images: FOLDER}` for COCO JSON; several make a list.

    Masks hold indices into `names`. Of COCO JSON the categories in `names` are learned, or all
    where there are none; everything else is the class `background`, put in front where `names`
    does not begin with it.

    Args:
        path: The YAML file.
        long_side: Images are kept in memory no longer than this, in pixels.

    Raises:
        ConfigError: A key is missing or wrong, or a category is not known.
        SourceError: A file, a folder, an image or a mask is missing.
        DataError: A mask or an outline is malformed, or there is one class only to learn or to
            judge by.
    """
    path = Path(path)
    record = read_yaml(path, texts=("names",))
    for key in record:
        if key not in _KEYS:
            raise ConfigError(f"{path}: unknown key {key}{nearest(str(key), _KEYS)}")
    entries = {split: _entries(record, split, path) for split in ("train", "val")}
    names = read_class_names(record, path)
    flat = [entry for split in entries.values() for entry in split]
    if names is not None and not any(isinstance(entry, str) for entry in flat):
        names = names if names[0] == BACKGROUND else (BACKGROUND, *names)
    root = _root(record, path)
    known, parts = names, {}
    for split, found in entries.items():
        try:
            part, known = _read_entries(found, known, root)
        except SourceError as error:
            raise SourceError(f"{path}: {split}: {error}") from error
        parts[split] = CachedSegments(part, long_side=long_side)
    assert known is not None
    if len(known) < 2:
        raise ConfigError(f"{path}: names: expected two classes or more, got {', '.join(known)}")
    counts = {split: count_pixels(part, len(known)) for split, part in parts.items()}
    for split, count in counts.items():
        if (count > 0).sum() < 2:
            raise DataError(
                f"{path}: {split}: expected pixels of two classes or more, got those of "
                f"{', '.join(n for n, c in zip(known, count, strict=True) if c) or 'none'}"
            )
    return SegmentSplits(known, parts["train"], parts["val"], counts["train"], counts["val"])


def _entries(record: Mapping[str, Any], split: str, path: Path) -> list[Any]:
    entries = record.get(split)
    if entries is None or entries == []:
        raise ConfigError(
            f"{path}: {split} is missing; expected a folder of images with masks, or "
            "{labels: FILE.json, images: FOLDER}"
        )
    entries = entries if isinstance(entries, list) else [entries]
    for entry in entries:
        is_coco = isinstance(entry, dict) and set(entry) == {"labels", "images"}
        is_coco = is_coco and all(isinstance(name, str) for name in entry.values())
        if not is_coco and not isinstance(entry, str):
            raise ConfigError(
                f"{path}: expected {split!r} to name a folder of images, or "
                f"{{labels: FILE.json, images: FOLDER}}, or a list of them, got {short_repr(entry)}"
            )
    return entries


def _root(record: Mapping[str, Any], path: Path) -> Path:
    """Returns the folder from which the others count."""
    folder = record.get("path") or "."
    if not isinstance(folder, str):
        raise ConfigError(f"{path}: expected 'path' to be text, got {short_repr(folder)}")
    return path.parent / folder


def _read_entries(
    entries: list[Any], names: tuple[str, ...] | None, root: Path
) -> tuple[SegmentDataset, tuple[str, ...] | None]:
    """Returns the data of all entries, and the class names, which a first COCO file may give."""
    datasets: list[SegmentDataset] = []
    for entry in entries:
        dataset, names = _read_entry(entry, names, root)
        datasets.append(dataset)
    return Joined(datasets), names


def _read_entry(
    entry: Any, names: tuple[str, ...] | None, root: Path
) -> tuple[SegmentDataset, tuple[str, ...]]:
    """Returns a dataset and the class names, which a first COCO file may give."""
    if isinstance(entry, dict):
        if names is not None and names[0] != BACKGROUND:
            raise ConfigError(
                f"names: expected {BACKGROUND!r} first where masks and COCO JSON come together, "
                f"got {names[0]!r}"
            )
        coco = CocoMasks(
            root / entry["labels"],
            root / entry["images"],
            None if names is None else names[1:],
        )
        return coco, coco.class_names
    if names is None:
        raise ConfigError("names is missing; masks hold numbers alone")
    return MaskFolder(root / entry, names), names
