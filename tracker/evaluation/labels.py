"""Labelled images: YOLO label folders and COCO JSON.

Boxes are normalised to the image, as in YOLO labels, so that image sizes are not needed here.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tracker.errors import DataError, SourceError
from tracker.util.arrays import BoolArray, Float64Array, Int32Array, frozen
from tracker.util.json_text import parse_json
from tracker.util.paths import unreadable_text
from tracker.util.short_repr import short_repr

_IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """One image with its `G` labels.

    Attributes:
        path: The image file.
        boxes: `(G, 4)` float64 xyxy as fractions of width and height.
        classes: `(G,)` int32, index into the set's names.
        crowd: `(G,)` whether the box holds a crowd, which is ignored in evaluation.
        scores: `(G,)` float64 in `[0, 1]`: how sure the teacher is that gave the label; where none
            are given, 1 everywhere.
    """

    path: Path
    boxes: Float64Array
    classes: Int32Array
    crowd: BoolArray
    scores: Float64Array = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        count = len(self.classes)
        layout: dict[str, tuple[str, tuple[int, ...]]] = {
            "boxes": ("float64", (count, 4)),
            "classes": ("int32", (count,)),
        }
        if not len(self.scores):
            object.__setattr__(self, "scores", np.ones(count))
        layout |= {"crowd": ("bool", (count,)), "scores": ("float64", (count,))}
        for name, (dtype, shape) in layout.items():
            array = frozen(getattr(self, name), dtype=dtype, shape=shape, name=name)
            object.__setattr__(self, name, array)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSet:
    """Images with labels.

    Attributes:
        images: The images, sorted by name.
        names: Class names by class index; `None` where the labels have only numbers.
    """

    images: tuple[LabelledImage, ...]
    names: tuple[str, ...] | None


def read_yolo_labels(labels: str | Path, images: str | Path | None = None) -> LabelledSet:
    """Returns the images of a folder with their labels, one `class cx cy w h [score]` per line.

    A sixth number is the score of a label that a teacher gave, in `[0, 1]`. An image without a
    label file has no objects.

    Args:
        labels: Folder of `NAME.txt`.
        images: Folder of `NAME.jpg` or another kind; `None` replaces the last `labels` in the
            path by `images`, as is usual.

    Raises:
        SourceError: A folder or an image is missing.
        DataError: A label is malformed; the message names file and line.
    """
    labels = Path(labels)
    images = _images_beside(labels) if images is None else Path(images)
    for folder in (labels, images):
        if not folder.is_dir():
            raise SourceError(f"{folder}: no such folder")
    paths = sorted(path for path in images.iterdir() if path.suffix.lower() in _IMAGES)
    if not paths:
        raise SourceError(f"{images}: expected images in it, found none")
    files = {path.stem: path for path in labels.glob("*.txt") if path.name != "classes.txt"}
    lost = sorted(files.keys() - {path.stem for path in paths})
    if lost:
        raise SourceError(f"{files[lost[0]]}: has no image in {images}")
    return LabelledSet(tuple(_yolo_image(path, files.get(path.stem)) for path in paths), None)


def _images_beside(labels: Path) -> Path:
    parts = labels.resolve().parts
    if "labels" not in parts:
        raise SourceError(
            f"{labels}: its path has no part named 'labels'; give the folder with --images"
        )
    last = len(parts) - 1 - parts[::-1].index("labels")
    return Path(*parts[:last], "images", *parts[last + 1 :])


def _yolo_image(image: Path, labels: Path | None) -> LabelledImage:
    rows = [] if labels is None else _yolo_rows(labels)
    table = np.array(rows, np.float64).reshape(-1, 6)
    half = table[:, 3:5] / 2
    return LabelledImage(
        path=image,
        boxes=np.hstack([table[:, 1:3] - half, table[:, 1:3] + half]),
        classes=table[:, 0].astype(np.int32),
        crowd=np.zeros(len(table), np.bool_),
        scores=table[:, 5],
    )


def _yolo_rows(path: Path) -> list[list[float]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise SourceError(f"{path}: {unreadable_text(path, error)}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected text, got {error.reason}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = [float(word) for word in line.split()]
        except ValueError:
            row = []
        ok = len(row) in (5, 6) and row[0].is_integer() and 0 <= row[0] < 2**31
        if not ok or not all(0 <= value <= 1 for value in row[1:]):
            raise DataError(
                f"{path}, line {number}: expected 'class cx cy w h [score]' with fractions from 0 "
                f"to 1, got {line.strip()[:60]!r}"
            )
        rows.append(row if len(row) == 6 else [*row, 1.0])
    return rows


def read_coco_labels(path: str | Path, images: str | Path) -> LabelledSet:
    """Returns the labelled images of a COCO JSON file.

    Args:
        path: JSON with `images`, `annotations` and `categories`.
        images: Folder that `file_name` is relative to.

    Raises:
        SourceError: The file cannot be read, or there is no such folder.
        DataError: It is malformed.
    """
    path = Path(path)
    if not Path(images).is_dir():
        raise SourceError(f"{images}: no such folder")
    try:
        record = parse_json(path.read_bytes())
        with np.errstate(all="ignore"):  # non-finite values are rejected below
            return _coco_set(record, Path(images))
    except OSError as error:
        raise SourceError(f"{path}: {unreadable_text(path, error)}") from error
    except DataError as error:
        raise DataError(f"{path}: {coco_text(error)}") from error
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise DataError(
            f"{path}: expected COCO JSON with images, annotations and categories; "
            f"{type(error).__name__}: {short_repr(str(error))}"
        ) from error


def coco_text(error: DataError) -> str:
    """Returns the text of an error in a COCO file, to follow the file's name."""
    is_json = not str(error).startswith("not JSON")
    return str(error) if is_json else f"expected COCO JSON, got text that is {error}"


def _coco_set(record: dict[str, Any], folder: Path) -> LabelledSet:
    categories = sorted(record["categories"], key=lambda category: category["id"])
    index = {category["id"]: n for n, category in enumerate(categories)}
    found: dict[Any, list[tuple[list[float], int, bool]]] = {
        image["id"]: [] for image in record["images"]
    }
    for note in record["annotations"]:
        left, top, width, height = map(float, note["bbox"])
        if note["image_id"] not in found or note["category_id"] not in index:
            name = short_repr(note.get("id"))
            raise DataError(f"annotation {name}: its image or category is not in the file")
        box = [left, top, left + width, top + height]
        item = (box, index[note["category_id"]], bool(note.get("iscrowd", 0)))
        found[note["image_id"]].append(item)
    images = []
    for image in sorted(record["images"], key=lambda image: str(image["file_name"])):
        boxes, classes, crowd = (
            zip(*found[image["id"]], strict=True) if found[image["id"]] else ((),) * 3
        )
        size = np.array([image["width"], image["height"]] * 2, np.float64)
        fractions = np.array(boxes, np.float64).reshape(-1, 4) / size
        if not np.all(np.isfinite(fractions)):
            name = short_repr(image["file_name"])
            raise DataError(f"image {name}: expected finite boxes and a size above 0")
        images.append(
            LabelledImage(
                path=folder / image["file_name"],
                boxes=fractions,
                classes=np.array(classes, np.int32),
                crowd=np.array(crowd, np.bool_),
            )
        )
    if not images:
        raise DataError("expected one image or more, got none")
    return LabelledSet(tuple(images), tuple(str(c["name"]) for c in categories))
