"""Labels for images that have none, from an ensemble of teachers.

Writes a YOLO folder: `images`, `labels` with the boxes of high score and human labels, `ignore`
with the boxes of medium score, and `found`, each teacher's own detections, so that other thresholds
or one more teacher need no second inference on the images.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracker.detections import Detections
from tracker.errors import ConfigError, DataError, OutputError, nearest
from tracker.training.datasets import read_image
from tracker.training.labels.merge import HumanLabels, ImageLabels, fuse_labels
from tracker.training.labels.settings import LabelSettings, common_name
from tracker.training.labels.teachers import Teacher
from tracker.util.archives import read_npz
from tracker.util.arrays import Float32Array, Int32Array, UInt8Array
from tracker.util.atomic_file import replaced_file


@dataclass(frozen=True, slots=True)
class Labelled:
    """How much was labelled.

    Attributes:
        images: Number of images.
        labels: Labels by class name: boxes that the teachers are sure of, and human labels.
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
    human: Mapping[Path, HumanLabels] | None = None,
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
        human: Human labels by the resolved path of an image.

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
            own = (human or {}).get(path.resolve())
            size = (image.shape[0], image.shape[1])
            labels = fuse_labels(found, teachers, size, settings=settings, human=own)
            _write(labels, size, out, path, soft=settings.soft)
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


def _check(paths: Sequence[Path], teachers: Sequence[Teacher], settings: LabelSettings) -> None:
    for what, names in (
        ("images", [path.stem for path in paths]),
        ("teachers", [teacher.name for teacher in teachers]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"{what}: expected different names, got {twice[0]!r} more than once")
    known = {common_name(name) for t in teachers for name in t.class_names}
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


def _write(
    labels: ImageLabels, size: tuple[int, int], out: Path, image: Path, *, soft: bool
) -> None:
    link = out / "images" / image.name
    if not link.exists():
        link.symlink_to(image.resolve())
    for name, chosen in (("labels", labels.sure), ("ignore", ~labels.sure)):
        scores = labels.scores[chosen] if soft and name == "labels" else None
        text = yolo_text(labels.boxes[chosen], labels.classes[chosen], size, scores=scores)
        (out / name / f"{image.stem}.txt").write_text(text, encoding="utf-8")


def yolo_text(
    boxes: Float32Array,
    classes: Int32Array,
    size: tuple[int, int],
    *,
    scores: Float32Array | None = None,
) -> str:
    r"""Returns `class cx cy w h` or `class cx cy w h score` a line, boxes as shares of the image.

    Args:
        boxes: `(N, 4)` float32 xyxy in pixels.
        classes: `(N,)` int32.
        size: Height and width of the image in pixels.
        scores: `(N,)` float32 in `[0, 1]`, the sixth column; `None` leaves it out.

    Example:
        >>> box, number = np.float32([[10, 0, 30, 50]]), np.int32([2])
        >>> yolo_text(box, number, (100, 40))
        '2 0.500000 0.250000 0.500000 0.500000\n'
        >>> yolo_text(box, number, (100, 40), scores=np.float32([0.75]))
        '2 0.500000 0.250000 0.500000 0.500000 0.750000\n'
    """
    scale = np.array([size[1], size[0]] * 2, np.float64)
    corners = np.clip(boxes.astype(np.float64) / scale, 0, 1)
    rows = np.hstack([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]])
    if scores is not None:
        rows = np.hstack([rows, scores[:, None].astype(np.float64)])
    return "".join(
        f"{number} " + " ".join(f"{value:.6f}" for value in row) + "\n"
        for number, row in zip(classes.tolist(), rows.tolist(), strict=True)
    )
