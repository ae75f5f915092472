"""COCO JSON as masks: outlines and run lengths become the class of each pixel.

Crowds become pixels to ignore. Where objects overlap, the smaller one is on top.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tracker.errors import ConfigError, DataError, SourceError, nearest
from tracker.evaluation.labels import coco_text
from tracker.training.datasets import read_image
from tracker.training.segmenter.data import IGNORE, SegmentSample
from tracker.util.arrays import UInt8Array
from tracker.util.json_text import parse_json
from tracker.util.opencv import cv2
from tracker.util.paths import unreadable_text
from tracker.util.short_repr import short_repr

BACKGROUND = "background"
"""Name of the class of all pixels that belong to no chosen category; its index is 0."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """One annotation."""

    number: int
    value: int
    segmentation: Any


@dataclass(frozen=True, slots=True)
class _Image:
    """One image, with the annotations of the chosen categories."""

    path: Path
    size: tuple[int, int]
    shapes: tuple[_Shape, ...]


class CocoMasks:
    """Images that a COCO JSON file gives outlines for.

    Args:
        annotations: JSON with `images`, `annotations` and `categories`.
        images: Folder of the images.
        categories: Names of the categories to learn, which get the indices from 1; `None` for all.

    Raises:
        SourceError: The file cannot be read, or there is no such folder.
        DataError: It is malformed.
        ConfigError: A category is not known.
    """

    def __init__(
        self, annotations: Path, images: Path, categories: Sequence[str] | None = None
    ) -> None:
        if not images.is_dir():
            raise SourceError(f"{images}: no such folder")
        self._path = annotations
        try:
            record = parse_json(annotations.read_bytes())
            known = {c["id"]: str(c["name"]) for c in sorted(record["categories"], key=_id)}
            chosen = tuple(known.values() if categories is None else categories)
            for name in chosen:
                if name not in known.values():
                    raise ConfigError(
                        f"names: {annotations} has no {name!r}{nearest(name, known.values())}"
                    )
            self.class_names = (BACKGROUND, *chosen)
            self._images = _images(record, images, known, self.class_names)
        except OSError as error:
            raise SourceError(f"{annotations}: {unreadable_text(annotations, error)}") from error
        except ConfigError:
            raise
        except DataError as error:
            raise DataError(f"{annotations}: {coco_text(error)}") from error
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            raise DataError(
                f"{annotations}: expected COCO JSON with images, annotations and categories; "
                f"{type(error).__name__}: {short_repr(str(error))}"
            ) from error
        if not self._images:
            raise DataError(f"{annotations}: expected one image or more, got none")

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int, /) -> SegmentSample:
        """Returns a sample.

        Raises:
            SourceError: The image cannot be read.
            DataError: It has another size than the file says, or an outline is malformed.
        """
        listed = self._images[index]
        image = read_image(listed.path)
        if image.shape[:2] != listed.size:
            raise DataError(
                f"{listed.path}: expected {listed.size[1]}x{listed.size[0]} pixels as "
                f"{self._path} says, got {image.shape[1]}x{image.shape[0]}"
            )
        drawn = []
        for shape in listed.shapes:
            try:
                drawn.append((rasterised(shape.segmentation, listed.size), shape.value))
            except DataError as error:
                raise DataError(f"{self._path}: annotation {shape.number}: {error}") from error
        mask = np.zeros(listed.size, np.uint8)
        for pixels, value in sorted(drawn, key=lambda pair: -int(pair[0].sum())):
            mask[pixels > 0] = value
        return SegmentSample(image, mask)


def rasterised(segmentation: Any, size: tuple[int, int]) -> UInt8Array:
    """Returns `(H, W)` uint8: 1 inside an annotation, 0 outside.

    Args:
        segmentation: As COCO has it: polygons `[[x, y, x, y, ...], ...]`, or run lengths
            `{"size": [H, W], "counts": numbers or text}`.
        size: Height and width of the image in pixels.

    Raises:
        DataError: It is malformed, or of another size.
    """
    if isinstance(segmentation, Mapping):
        return _decoded(segmentation, size)
    if not isinstance(segmentation, list):
        raise DataError(f"segmentation: expected polygons or run lengths, got {segmentation!r:.60}")
    mask = np.zeros(size, np.uint8)
    for polygon in segmentation:
        try:
            points = np.array(polygon, np.float64).reshape(-1, 2)
        except (ValueError, TypeError):
            points = np.zeros((0, 2))
        if len(points) < 3 or not np.isfinite(points).all():
            raise DataError(
                f"segmentation: expected polygons of three points or more, got {polygon!r:.60}"
            )
        # The middle of the first pixel is at 0.5. Filled one by one: together, parts that overlap
        # would count as holes.
        limit = 2 * max(size)
        corners = np.rint(np.clip(points, -limit, limit) - 0.5).astype(np.int32)
        cv2.fillPoly(mask, [corners], (1,))
    return mask


def _decoded(segmentation: Mapping[str, Any], size: tuple[int, int]) -> UInt8Array:
    coco_mask: Any = importlib.import_module("faster_coco_eval.core.mask")
    try:
        height, width = map(int, segmentation["size"])
        counts = segmentation["counts"]
        if (height, width) != size:
            raise DataError(
                f"run lengths: expected {size[1]}x{size[0]} pixels, got {width}x{height}"
            )
        if isinstance(counts, list):
            # The library reads on past the end of what does not fill the image.
            if sum(counts) != height * width or min(counts, default=0) < 0:
                raise DataError(
                    f"run lengths: expected a sum of {height * width}, got {sum(counts)}"
                )
            runs = coco_mask.frPyObjects([{"size": [height, width], "counts": counts}], *size)[0]
        else:
            runs = {"size": [height, width], "counts": counts}
        return np.array(coco_mask.decode(runs), np.uint8)
    except DataError:
        raise
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DataError(
            f"run lengths: expected size and counts, got {type(error).__name__}: {error}"
        ) from error


def _images(
    record: Mapping[str, Any],
    folder: Path,
    known: Mapping[Any, str],
    class_names: tuple[str, ...],
) -> list[_Image]:
    found: dict[Any, list[_Shape]] = {image["id"]: [] for image in record["images"]}
    for note in record["annotations"]:
        if note["image_id"] not in found or note["category_id"] not in known:
            name = short_repr(note.get("id"))
            raise DataError(f"annotation {name}: its image or category is not in the file")
        name = known[note["category_id"]]
        if name in class_names:
            value = IGNORE if note.get("iscrowd") else class_names.index(name)
            found[note["image_id"]].append(_Shape(note["id"], value, note["segmentation"]))
    return [
        _Image(
            folder / str(image["file_name"]),
            (int(image["height"]), int(image["width"])),
            tuple(found[image["id"]]),
        )
        for image in sorted(record["images"], key=lambda image: str(image["file_name"]))
    ]


def _id(category: Mapping[str, Any]) -> Any:
    return category["id"]
