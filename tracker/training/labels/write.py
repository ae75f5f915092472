"""Labels for images that have none, from an ensemble of teachers.

Writes a YOLO folder: `images`, `labels` with the boxes of high score, `ignore` with
the boxes of medium score, and `found`, each teacher's own detections, so that other thresholds or
one more teacher need no second inference on the images.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tracker.boxes import clip
from tracker.detection.nms import NmsMode, NmsSettings, nms
from tracker.detections import Detections
from tracker.errors import ConfigError, DataError, OutputError, nearest
from tracker.training.datasets import read_image
from tracker.training.labels.fuse import Voter, weighted_boxes_fusion
from tracker.training.labels.teachers import Teacher
from tracker.util.archives import read_npz
from tracker.util.arrays import BoolArray, Float32Array, Int32Array, UInt8Array
from tracker.util.atomic_file import replaced_file

SYNONYMS = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "motorbike": "motorcycle",
    "pedestrian": "person",
    "pottedplant": "potted plant",
    "sofa": "couch",
    "tvmonitor": "tv",
}
"""Class names of teachers, and COCO's names for them."""


_SAME_BOX = 0.75
"""Boxes of two classes that overlap by more than this hold one object. A rider and a motorcycle
overlap by less."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores from which a fused box counts.

    Attributes:
        sure: From here on it is a label.
        doubtful: From here on, below `sure`, it is a region to ignore; below, it is background.

    Raises:
        ConfigError: They are not `0 <= doubtful <= sure <= 1`.
    """

    sure: float
    doubtful: float

    def __post_init__(self) -> None:
        if not 0 <= self.doubtful <= self.sure <= 1:
            raise ConfigError(
                f"thresholds: expected 0 <= doubtful <= sure <= 1, got {self.doubtful}, {self.sure}"
            )


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """How teachers' detections become labels.

    Attributes:
        classes: Names of the classes to label.
        thresholds: By class; classes that it lacks take `default`.
        default: For classes without thresholds of their own.
        weights: Weight by teacher; teachers that it lacks count 1.
        iou: Boxes that overlap by more than this are the same object (see `fuse`).

    Raises:
        ConfigError: A threshold is for a class that is not labelled.
    """

    classes: tuple[str, ...]
    thresholds: Mapping[str, Thresholds] = field(default_factory=dict)
    default: Thresholds = Thresholds(sure=0.35, doubtful=0.15)
    weights: Mapping[str, float] = field(default_factory=dict)
    iou: float = 0.55

    def __post_init__(self) -> None:
        for name in self.thresholds:
            if name not in self.classes:
                raise ConfigError(
                    f"thresholds: {name!r} is not among the classes{nearest(name, self.classes)}"
                )


@dataclass(frozen=True, slots=True, eq=False)
class ImageLabels:
    """What is in one image; `N` boxes.

    Attributes:
        boxes: `(N, 4)` float32 xyxy in pixels.
        classes: `(N,)` int32.
        sure: `(N,)` bool: a label; otherwise a region to ignore.
    """

    boxes: Float32Array
    classes: Int32Array
    sure: BoolArray


@dataclass(frozen=True, slots=True)
class Labelled:
    """How much was labelled.

    Attributes:
        images: Number of images.
        labels: Boxes that the teachers are sure of, by class name.
        doubtful: Boxes to ignore, by class name.
    """

    images: int
    labels: Mapping[str, int]
    doubtful: Mapping[str, int]


def label_images(
    images: Sequence[str | Path],
    teachers: Sequence[Teacher],
    out: str | Path,
    *,
    settings: LabelSettings,
    progress: Callable[[int], None] = lambda done: None,
) -> Labelled:
    """Writes a YOLO folder; returns how much was labelled.

    Detections of an earlier run into the same folder are reused, so an interrupted run continues
    where it stopped. The labels themselves are written each time.

    Args:
        images: Image files of different names; the folder gets links to them.
        teachers: The teachers, of different names.
        out: The YOLO folder, made where missing.
        settings: What becomes a label.
        progress: Called with the number of images done so far.

    Raises:
        ConfigError: Two images or two teachers have the same name, or no teacher knows a class.
        SourceError: An image cannot be read.
        DataError: A file of an earlier run is broken.
        OutputError: The folder cannot be written.
    """
    paths = [Path(path) for path in images]
    _check(paths, teachers, settings)
    out = Path(out)
    counts = np.zeros((2, len(settings.classes)), np.int64)
    try:
        for name in ("images", "labels", "ignore", *(f"found/{t.name}" for t in teachers)):
            (out / name).mkdir(parents=True, exist_ok=True)
        for done, path in enumerate(paths, start=1):
            image, found = _detections_of_teachers(path, teachers, out / "found")
            labels = fuse_labels(found, teachers, image.shape[:2], settings=settings)
            _write(labels, image.shape[:2], out, path)
            for row, kind in enumerate((labels.sure, ~labels.sure)):
                counts[row] += np.bincount(labels.classes[kind], minlength=counts.shape[1])
            progress(done)
    except OSError as error:
        if error.filename is None:
            raise
        raise OutputError(
            f"{error.filename}: cannot be written: {error.strerror or error}"
        ) from error
    by_name = [dict(zip(settings.classes, row.tolist(), strict=True)) for row in counts]
    return Labelled(len(paths), labels=by_name[0], doubtful=by_name[1])


def fuse_labels(
    found: Sequence[Detections],
    teachers: Sequence[Teacher],
    size: tuple[int, int],
    *,
    settings: LabelSettings,
) -> ImageLabels:
    """Returns the labels and the doubtful boxes of one image.

    Where teachers see two classes in the same box, as a van is a car, a truck or a bus to them, the
    best score wins and the other box is gone.

    Args:
        found: What each teacher found, by its own class numbers.
        teachers: The teachers, in the same order.
        size: Height and width of the image in pixels.
        settings: What becomes a label.
    """
    voters = [
        _voter(detections, teacher, settings)
        for detections, teacher in zip(found, teachers, strict=True)
    ]
    fused = weighted_boxes_fusion(voters, iou=settings.iou)
    one_class = NmsSettings(confidence=0, iou=_SAME_BOX, mode=NmsMode.AGNOSTIC)
    fused = fused.select(nms(fused.boxes, fused.scores, fused.classes, settings=one_class))
    limits = [settings.thresholds.get(name, settings.default) for name in settings.classes]
    sure = np.array([limit.sure for limit in limits])[fused.classes]
    doubtful = np.array([limit.doubtful for limit in limits])[fused.classes]
    fused = fused.select(kept := fused.scores >= doubtful)
    return ImageLabels(
        boxes=clip(fused.boxes, width=size[1], height=size[0]),
        classes=fused.classes,
        sure=np.asarray(fused.scores >= sure[kept]),
    )


def _check(paths: Sequence[Path], teachers: Sequence[Teacher], settings: LabelSettings) -> None:
    for what, names in (
        ("images", [path.stem for path in paths]),
        ("teachers", [teacher.name for teacher in teachers]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"{what}: expected different names, got {twice[0]!r} more than once")
    known = {SYNONYMS.get(name, name) for t in teachers for name in t.class_names}
    for name in settings.classes:
        if name not in known:
            raise ConfigError(f"classes: no teacher knows {name!r}{nearest(name, known)}")


def _detections_of_teachers(
    path: Path, teachers: Iterable[Teacher], folder: Path
) -> tuple[UInt8Array, list[Detections]]:
    image = read_image(path)
    found = []
    for teacher in teachers:
        file = folder / teacher.name / f"{path.stem}.npz"
        if not file.exists():
            _write_found(file, teacher.detect(image))
        found.append(_read_found(file))
    return image, found


def _write_found(file: Path, found: Detections) -> None:
    with replaced_file(file) as draft, draft.open("wb") as stream:
        np.savez(stream, boxes=found.boxes, scores=found.scores, classes=found.classes)


def _read_found(file: Path) -> Detections:
    try:
        arrays = read_npz(file)
        return Detections.create(arrays["boxes"], arrays["scores"], arrays["classes"])
    except (ValueError, KeyError) as error:
        raise DataError(f"{file}: expected a teacher's detections; delete it: {error}") from error


def _voter(found: Detections, teacher: Teacher, settings: LabelSettings) -> Voter:
    names = [SYNONYMS.get(name, name) for name in teacher.class_names]
    numbers = np.array(
        [settings.classes.index(name) if name in settings.classes else -1 for name in names]
    )
    classes = numbers[found.classes].astype(np.int32)
    wanted = classes >= 0
    return Voter(
        found=Detections.create(found.boxes[wanted], found.scores[wanted], classes[wanted]),
        weight=settings.weights.get(teacher.name, 1.0),
        knows=np.isin(np.arange(len(settings.classes)), numbers),
    )


def _write(labels: ImageLabels, size: tuple[int, int], out: Path, image: Path) -> None:
    link = out / "images" / image.name
    if not link.exists():
        link.symlink_to(image.resolve())
    for name, chosen in (("labels", labels.sure), ("ignore", ~labels.sure)):
        text = yolo_text(labels.boxes[chosen], labels.classes[chosen], size)
        (out / name / f"{image.stem}.txt").write_text(text, encoding="utf-8")


def yolo_text(boxes: Float32Array, classes: Int32Array, size: tuple[int, int]) -> str:
    r"""Returns `class cx cy w h` a line, fractions of the image.

    Args:
        boxes: `(N, 4)` float32 xyxy in pixels.
        classes: `(N,)` int32.
        size: Height and width of the image in pixels.

    Example:
        >>> yolo_text(np.float32([[10, 0, 30, 50]]), np.int32([2]), (100, 40))
        '2 0.500000 0.250000 0.500000 0.500000\n'
    """
    scale = np.array([size[1], size[0]] * 2, np.float64)
    corners = np.clip(boxes.astype(np.float64) / scale, 0, 1)
    rows = np.hstack([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]])
    return "".join(
        f"{number} " + " ".join(f"{value:.6f}" for value in row) + "\n"
        for number, row in zip(classes.tolist(), rows.tolist(), strict=True)
    )
