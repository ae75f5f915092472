"""Labelled images as datasets: YOLO folders, COCO JSON, choices of classes, mixtures.

A YOLO folder may have `ignore` beside `labels`: files of the same form whose boxes are regions that
count neither as object nor as background.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from tracker.boxes import clip, is_proper
from tracker.errors import ConfigError, DataError, SourceError
from tracker.evaluation.labels import LabelledImage, read_coco_labels, read_yolo_labels
from tracker.training.samples import Sample, owning_sample
from tracker.util.arrays import UInt8Array
from tracker.util.opencv import cv2
from tracker.util.paths import missing_text, unreadable_text


class DetectionDataset(Protocol):
    """Samples by number; the same number always gives the same sample."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by class index."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...


class LabelledImages:
    """Images with their labels.

    Args:
        images: The images and what is in them.
        class_names: Names by class number.
    """

    def __init__(self, images: Sequence[LabelledImage], class_names: Sequence[str]) -> None:
        self.images, self.class_names = tuple(images), tuple(class_names)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int, /) -> Sample:
        return _sample(self.images[index])


class YoloFolder:
    """A YOLO folder: `images`, `labels` and, where there are regions to ignore, `ignore`.

    Args:
        images: The folder of images; the others lie beside it, with the last `images` of the
            path in their names replaced. A folder that holds `images` will do as well.
        class_names: Names by class number.

    Raises:
        SourceError: A folder or an image is missing.
        DataError: A label is malformed, or its class has no name.
    """

    def __init__(self, images: str | Path, class_names: Sequence[str]) -> None:
        images = Path(images)
        if (images / "images").is_dir():
            images /= "images"
        self.class_names = tuple(class_names)
        if not images.is_dir():
            raise SourceError(f"{images}: expected a folder of images, it {missing_text(images)}")
        labels = read_yolo_labels(_beside(images, "labels"), images).images
        ignore_folder = _beside(images, "ignore")
        if ignore_folder.is_dir():
            ignored = read_yolo_labels(ignore_folder, images).images
            self.images = tuple(map(_joined, labels, ignored))
        else:
            self.images = labels
        _check_numbers(self.images, self.class_names, images)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int, /) -> Sample:
        return _sample(self.images[index])


class CocoJson:
    """Images that a COCO JSON file labels; its crowds are regions to ignore.

    Args:
        annotations: JSON with `images`, `annotations` and `categories`.
        images: Folder of the images.

    Raises:
        SourceError: The file cannot be read, or there is no such folder.
        DataError: It is malformed.
    """

    def __init__(self, annotations: str | Path, images: str | Path) -> None:
        found = read_coco_labels(annotations, images)
        self.class_names = found.names or ()
        self.images = found.images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int, /) -> Sample:
        return _sample(self.images[index])


class Mixed:
    """Several datasets as one; a weight of 2 shows a dataset twice in each epoch.

    A weight of 2.5 shows all its samples twice and every other one a third time.

    Args:
        datasets: Data sets with the same class names.
        weights: One for each dataset, above 0; `None` for 1 each.

    Raises:
        ConfigError: There is no dataset, class names differ, or a weight is wrong.
    """

    def __init__(
        self, datasets: Sequence[DetectionDataset], weights: Sequence[float] | None = None
    ) -> None:
        if not datasets:
            raise ConfigError("data sets: expected at least one, got none")
        weights = [1.0] * len(datasets) if weights is None else list(weights)
        if len(weights) != len(datasets) or not all(0 < w < float("inf") for w in weights):
            raise ConfigError(
                f"weights: expected {len(datasets)} numbers above 0, got {list(weights)}"
            )
        for dataset in datasets[1:]:
            if dataset.class_names != datasets[0].class_names:
                raise ConfigError(
                    f"data sets: expected the class names {', '.join(datasets[0].class_names)}, "
                    f"got {', '.join(dataset.class_names)}; give all the same names in one order"
                )
        self.class_names = datasets[0].class_names
        self._datasets = tuple(datasets)
        shown = [max(1, round(len(d) * w)) for d, w in zip(datasets, weights, strict=True)]
        self._ends = np.cumsum(shown)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int, /) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        which = int(np.searchsorted(self._ends, index, side="right"))
        start = int(self._ends[which - 1]) if which else 0
        dataset, shown = self._datasets[which], int(self._ends[which]) - start
        rounds, rest = divmod(index - start, len(dataset))
        left = shown - rounds * len(dataset)
        # The last, incomplete round takes its samples from all over the dataset.
        return dataset[rest if left >= len(dataset) else rest * len(dataset) // left]


class Cached:
    """A dataset whose images are decoded once, downscaled, and kept in memory.

    Args:
        dataset: The dataset.
        long_side: Images are downscaled to this long side in pixels, never upscaled.
        max_bytes: Memory limit; further images are decoded each time.
    """

    def __init__(
        self, dataset: DetectionDataset, *, long_side: int = 512, max_bytes: int = 4 << 30
    ) -> None:
        self.class_names = dataset.class_names
        self._dataset = dataset
        self._long_side = long_side
        self._bytes_left = max_bytes
        self._samples: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int, /) -> Sample:
        # Two threads may decode the same sample with the same result, so no lock is needed.
        sample = self._samples.get(index)
        if sample is None:
            sample = shrink(self._dataset[index], self._long_side)
            if sample.image.nbytes <= self._bytes_left:
                self._bytes_left -= sample.image.nbytes
                self._samples[index] = sample
        return sample


def shrink(sample: Sample, long_side: int) -> Sample:
    """Returns a sample whose image is no longer than this in pixels; smaller ones as they are."""
    height, width = sample.size
    scale = long_side / max(height, width)
    if scale >= 1:
        return sample
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = cv2.resize(sample.image, size, interpolation=cv2.INTER_AREA)
    factor = np.array([size[0] / width, size[1] / height] * 2, np.float32)
    boxes = clip(sample.boxes * factor, width=size[0], height=size[1])
    kept = is_proper(boxes)
    return owning_sample(
        np.asarray(image, np.uint8),
        boxes[kept],
        sample.classes[kept],
        sample.ignore[kept],
        sample.scores[kept],
    )


def read_image(path: str | Path) -> UInt8Array:
    """Returns an image `(H, W, 3)` uint8 RGB.

    Raises:
        SourceError: It is missing, or no image.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise SourceError(f"{path}: {unreadable_text(path, error)}") from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise SourceError(f"{path}: expected an image, got something that cannot be decoded")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _beside(images: Path, name: str) -> Path:
    parts = images.absolute().parts
    if "images" not in parts:
        raise SourceError(f"{images}: expected a part of its path named 'images', got none")
    last = len(parts) - 1 - parts[::-1].index("images")
    return Path(*parts[:last], name, *parts[last + 1 :])


def _joined(labels: LabelledImage, ignored: LabelledImage) -> LabelledImage:
    return LabelledImage(
        path=labels.path,
        boxes=np.concatenate([labels.boxes, ignored.boxes]),
        classes=np.concatenate([labels.classes, ignored.classes]),
        crowd=np.arange(len(labels.classes) + len(ignored.classes)) >= len(labels.classes),
        scores=np.concatenate([labels.scores, ignored.scores]),
    )


def _check_numbers(images: Sequence[LabelledImage], names: Sequence[str], folder: Path) -> None:
    for image in images:
        if len(image.classes) and image.classes.max() >= len(names):
            number = int(image.classes.max())
            raise DataError(
                f"{_where(image.path.stem, number, folder)}: class {number} has no name, there "
                f"are {len(names)}, counted from 0: {', '.join(names[:10])}"
            )


def _where(stem: str, number: int, images: Path) -> str:
    """Returns the file and the line of an image's first label with this class number."""
    for folder in ("labels", "ignore"):
        path = _beside(images, folder) / f"{stem}.txt"
        lines = path.read_text(encoding="utf-8-sig").splitlines() if path.is_file() else []
        for line, text in enumerate(lines, start=1):
            if text.strip() and float(text.split()[0]) == number:
                return f"{path}, line {line}"
    return str(images / stem)


def _sample(image: LabelledImage) -> Sample:
    pixels = read_image(image.path)
    height, width = pixels.shape[:2]
    boxes = (image.boxes * np.array([width, height] * 2, np.float64)).astype(np.float32)
    boxes = clip(boxes, width=width, height=height)
    scores = image.scores.astype(np.float32)
    kept = is_proper(boxes)
    return owning_sample(pixels, boxes[kept], image.classes[kept], image.crowd[kept], scores[kept])
