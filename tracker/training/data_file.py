"""The data file of a training: YAML that names training images, validation images and classes.

Labels are read and checked at once, images when they are needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tracker.errors import ConfigError, DataError, SourceError, nearest
from tracker.evaluation.labels import LabelledImage
from tracker.training.datasets import (
    Cached,
    CocoJson,
    DetectionDataset,
    LabelledImages,
    Mixed,
    YoloFolder,
)
from tracker.util.arrays import Int32Array
from tracker.util.short_repr import short_repr
from tracker.util.yaml_text import read_yaml


@dataclass(frozen=True, slots=True, eq=False)
class DataSplits:
    """Training and validation data.

    Attributes:
        class_names: Names by class index.
        train: Labelled images, entry by entry of the data file.
        weights: How often each entry is shown in an epoch.
        validation: Labelled validation images.
        held_out: The data file names no `val`: they were taken out of `train`.
    """

    class_names: tuple[str, ...]
    train: tuple[tuple[LabelledImage, ...], ...]
    weights: tuple[float, ...]
    validation: tuple[LabelledImage, ...]
    held_out: bool

    @property
    def shared(self) -> int:
        """Number of validation images that are also training images."""
        learned = {image.path.resolve() for images in self.train for image in images}
        return sum(image.path.resolve() in learned for image in self.validation)


def read_splits(
    path: str | Path,
    *,
    classes: Sequence[str] | None = None,
    val_share: float = 0.1,
    seed: int = 0,
) -> DataSplits:
    """Returns the labelled images that a data file names.

    The file has `path` (from which the others count; by default the file's own folder), `train`
    and `val`, `names` (a list, or names by number from 0) and, as an addition, `weights` (a list
    as long as `train`: how often each entry is shown). An entry is a folder of images with YOLO
    labels beside it, or `{labels: FILE.json, images: FOLDER}` for COCO JSON, whose classes are
    chosen by `names`, or all taken where there are none. Several entries make a list.

    Args:
        path: The YAML file.
        classes: The classes to keep, by name; `None` keeps all. Objects of others are background.
        val_share: Where there is no `val`: this share of every entry is held out, in `(0, 1)`.
        seed: Which images these are.

    Raises:
        ConfigError: A key is missing or wrong, or a class is not known.
        SourceError: A file, a folder or an image is missing.
        DataError: A label is malformed, or there is no object to learn or to find.
    """
    path = Path(path)
    record = read_yaml(path, texts=("names",))
    names = _counted_names(record, path)
    train = _read_entries(record, "train", names, path)
    weights = _weights(record, len(train), path)
    held_out = record.get("val") is None
    if held_out:
        parts = [_hold_out(part, val_share, seed + n) for n, part in enumerate(train)]
        train, val = [part[0] for part in parts], [part[1] for part in parts]
    else:
        val = _read_entries(record, "val", names, path)
    kept = tuple(classes) if classes is not None else names or train[0].class_names
    chosen = [[_choose(image, part.class_names, kept) for image in part.images] for part in train]
    judged = [_choose(image, part.class_names, kept) for part in val for image in part.images]
    splits = DataSplits(
        kept, tuple(tuple(images) for images in chosen), weights, tuple(judged), held_out
    )
    _check_objects(splits, path)
    return splits


def read_training_images(
    path: str | Path, *, classes: Sequence[str] | None = None
) -> tuple[tuple[str, ...], tuple[LabelledImage, ...]]:
    """Returns the class names, and all training images that a data file names.

    None is held out where the file has no `val`; those of a `val` are left alone.

    Args:
        path: The YAML file, see `read_splits`.
        classes: The classes to keep, by name; `None` keeps all.

    Raises:
        ConfigError: A key is missing or wrong, or a class is not known.
        SourceError: A file or a folder is missing.
        DataError: A label is malformed.
    """
    path = Path(path)
    record = read_yaml(path, texts=("names",))
    names = _counted_names(record, path)
    parts = _read_entries(record, "train", names, path)
    kept = tuple(classes) if classes is not None else names or parts[0].class_names
    images = [_choose(image, part.class_names, kept) for part in parts for image in part.images]
    return kept, tuple(images)


def training_set(splits: DataSplits, *, long_side: int = 512) -> DetectionDataset:
    """Returns the training images, decoded once and kept in memory as far as it goes.

    Args:
        splits: The data.
        long_side: Larger images are downscaled to this long side in pixels.
    """
    parts = [
        Cached(LabelledImages(images, splits.class_names), long_side=long_side)
        for images in splits.train
    ]
    return Mixed(parts, splits.weights)


def validation_set(splits: DataSplits) -> DetectionDataset:
    """Returns the validation images, decoded once and kept in memory as far as it goes."""
    return Cached(LabelledImages(splits.validation, splits.class_names))


def count_objects(images: Sequence[LabelledImage], class_count: int) -> Int32Array:
    """Returns `(C,)` how many objects of each class images hold, crowds left out."""
    found = [image.classes[~image.crowd] for image in images]
    joined = np.concatenate([np.zeros(0, np.int32), *found])
    return np.bincount(joined, minlength=class_count).astype(np.int32)


def _entries(record: Mapping[str, Any], split: str, path: Path) -> list[Any]:
    entries = record.get(split)
    entries = entries if isinstance(entries, list) else [entries]
    for entry in entries:
        is_coco = isinstance(entry, dict) and set(entry) == {"labels", "images"}
        is_coco = is_coco and all(isinstance(name, str) for name in entry.values())
        is_folder = isinstance(entry, str) and Path(entry).suffix not in (".json", ".txt")
        if not is_coco and not is_folder:
            raise ConfigError(
                f"{path}: expected {split!r} to name a folder of images, or "
                f"{{labels: FILE.json, images: FOLDER}}, or a list of them, got {short_repr(entry)}"
            )
    if not entries:
        raise ConfigError(f"{path}: expected {split!r} to name one folder or more, got none")
    return entries


def _read_entries(
    record: Mapping[str, Any], split: str, names: tuple[str, ...] | None, path: Path
) -> list[LabelledImages]:
    """Returns the images of each entry of a split; what is missing is named with the split."""
    root = record.get("path")
    if root is not None and not isinstance(root, str):
        raise ConfigError(f"{path}: expected 'path' to be text, got {short_repr(root)}")
    found = []
    for entry in _entries(record, split, path):
        try:
            found.append(_read_entry(entry, names, path.parent / (root or "."), path))
        except SourceError as error:
            raise SourceError(f"{path}: {split}: {error}") from error
    return found


def _read_entry(
    entry: Any, names: tuple[str, ...] | None, root: Path, path: Path
) -> LabelledImages:
    if isinstance(entry, dict):
        coco = CocoJson(root / entry["labels"], root / entry["images"])
        return LabelledImages(coco.images, coco.class_names)
    if names is None:
        raise ConfigError(f"{path}: names is missing; YOLO labels hold numbers alone")
    return LabelledImages(YoloFolder(root / entry, names).images, names)


def _hold_out(
    labelled: LabelledImages, share: float, seed: int
) -> tuple[LabelledImages, LabelledImages]:
    """Returns the training and the validation images."""
    if not 0 < share < 1:
        raise ConfigError(f"val_share: expected a number between 0 and 1, got {share}")
    total = len(labelled)
    count = min(max(1, round(share * total)), total - 1)
    taken = set(np.random.default_rng(seed).permutation(total)[:count].tolist())
    split: tuple[list[LabelledImage], list[LabelledImage]] = ([], [])
    for index, image in enumerate(labelled.images):
        split[index in taken].append(image)
    learned, judged = (LabelledImages(images, labelled.class_names) for images in split)
    return learned, judged


def _choose(image: LabelledImage, known: Sequence[str], kept: Sequence[str]) -> LabelledImage:
    """Returns the image with the objects of the kept classes, by their new numbers."""
    if tuple(known) == tuple(kept):
        return image
    for name in kept:
        if name not in known:
            raise ConfigError(f"classes: the data have no {name!r}{nearest(name, known)}")
    numbers = np.array([kept.index(n) if n in kept else -1 for n in known], np.int32)
    classes = numbers[image.classes]
    mask = classes >= 0
    return LabelledImage(
        image.path, image.boxes[mask], classes[mask], image.crowd[mask], image.scores[mask]
    )


def _check_objects(splits: DataSplits, path: Path) -> None:
    parts = {"train": [i for images in splits.train for i in images], "val": splits.validation}
    for split, images in parts.items():
        if not count_objects(images, len(splits.class_names)).any():
            hint = "; name a val with objects, or a larger val_share" if splits.held_out else ""
            raise DataError(
                f"{path}: {split}: expected labelled objects, got none in {len(images)} "
                f"images{hint if split == 'val' else ''}"
            )


def read_class_names(record: Mapping[str, Any], path: Path) -> tuple[str, ...] | None:
    """Returns the names of the classes by class index; `None` if the data file gives none.

    Args:
        record: The data file.
        path: Its path, for messages.

    Raises:
        ConfigError: They are no different words in a list or by number from 0.
    """
    names = record.get("names")
    if names is None:
        return None
    if isinstance(names, dict) and sorted(names, key=str) == sorted(range(len(names)), key=str):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise ConfigError(f"{path}: expected names to be a list, or names by number from 0")
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise ConfigError(f"{path}: names: expected words, got {short_repr(name)}")
    found = tuple(names)
    for name in found:
        if found.count(name) > 1:
            raise ConfigError(f"{path}: names: expected different names, got {name!r} twice")
    return found


def _counted_names(record: Mapping[str, Any], path: Path) -> tuple[str, ...] | None:
    """Returns the names of the classes, as many as `nc` counts."""
    names = read_class_names(record, path)
    if names is None:
        return None
    count = record.get("nc", len(names))
    if count != len(names) or not isinstance(count, int) or isinstance(count, bool):
        raise ConfigError(f"{path}: nc is {short_repr(count)}, but names holds {len(names)}")
    return names


def _weights(record: Mapping[str, Any], count: int, path: Path) -> tuple[float, ...]:
    weights = record.get("weights")
    if weights is None:
        return (1.0,) * count
    is_list = isinstance(weights, list) and len(weights) == count
    if not is_list or not all(type(w) in (int, float) and 0 < w < 1e6 for w in weights):
        raise ConfigError(
            f"{path}: expected weights to be a list of {count} numbers above 0, got "
            f"{short_repr(weights)}"
        )
    return tuple(map(float, weights))
