"""`tracker eval-detector`: average precision of a detector on labelled images."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tracker.cli.text_output import check_text_output, write_text
from tracker.config.build_detector import MOTION, build_detector
from tracker.config.run import Config
from tracker.detections import TimedDetector
from tracker.errors import ConfigError, DataError, nearest
from tracker.evaluation.average_precision import AveragePrecision, ImageResult, average_precision
from tracker.evaluation.labels import (
    LabelledImage,
    LabelledSet,
    read_coco_labels,
    read_yolo_labels,
)
from tracker.evaluation.precision_report import precision_table
from tracker.frames import Frame, VideoInfo
from tracker.models.files.class_names import read_class_names
from tracker.sinks.output_file import STDOUT
from tracker.sinks.paths import check_not_read
from tracker.sources.files.image_folder import ImageFolder
from tracker.util.stopwatch import Stopwatch
from tracker.util.terminal import print_table


@dataclass(frozen=True, slots=True)
class DetectorEvalRequest:
    """Labels, detector and outputs of `tracker eval-detector`.

    Attributes:
        labels: Folder of YOLO labels, or a COCO JSON file.
        config: Detector and its settings.
        images: Folder of the images; `None` for `images` beside YOLO's `labels`.
        label_names: File with the names of YOLO's class indices; `None` uses the detector's.
        classes: Names of the classes to evaluate; `None` for all classes of the labels.
        json: File for the scores, "-" for stdout; `None` for none.
    """

    labels: str
    config: Config
    images: str | None = None
    label_names: str | None = None
    classes: tuple[str, ...] | None = None
    json: str | None = None


def run_eval_detector(request: DetectorEvalRequest) -> AveragePrecision:
    """Prints, writes and returns the average precision.

    Raises:
        ConfigError: The detector needs video, or lacks a class; or the labels lack one.
        SourceError: Labels or images are missing.
        DataError: Labels are malformed, or contain no object.
        ModelError: A model file is missing or malformed.
        OutputError: The JSON cannot be written, or would replace the labels.
        DependencyError: `faster-coco-eval` is not installed.
    """
    choice = request.config.detector
    if choice.name == MOTION or choice.detections is not None:
        raise ConfigError(
            "eval-detector needs a network that detects in single images; name one with "
            "--detector small or a file"
        )
    if request.json is not None:
        check_text_output(request.json)
        check_not_read([request.json], [request.labels])
    labelled = _read_labels(request)
    detector = build_detector(request.config)
    precision = score(labelled, detector, request.classes)
    table = precision_table(precision, detector.class_names, images=len(labelled.images))
    print_table(table, stderr=request.json == STDOUT)
    if request.json is not None:
        record = _json_record(precision, detector.class_names, len(labelled.images))
        write_text(request.json, json.dumps(record, ensure_ascii=False, indent=2) + "\n")
    return precision


def score(
    labelled: LabelledSet, detector: TimedDetector, classes: Sequence[str] | None = None
) -> AveragePrecision:
    """Returns the average precision of a detector, by its class indices.

    Args:
        labelled: Images of any sizes, and their ground truth.
        detector: The detector; `start` is called for each image size.
        classes: Names of the classes to evaluate; `None` for all classes of the labels.

    Raises:
        ConfigError: The detector or the labels lack a class.
        SourceError: An image cannot be read.
        DataError: The labels contain no object.
    """
    numbers = class_numbers(labelled, detector.class_names, classes)
    return average_precision(list(_image_results(labelled.images, detector, numbers)))


def _read_labels(request: DetectorEvalRequest) -> LabelledSet:
    if not Path(request.labels).is_file():
        labelled = read_yolo_labels(request.labels, request.images)
        if request.label_names is None:
            return labelled
        return LabelledSet(labelled.images, read_class_names(request.label_names))
    if request.images is None:
        raise ConfigError(f"--labels {request.labels}: COCO JSON needs --images FOLDER")
    if request.label_names is not None:
        raise ConfigError(f"--label-names {request.label_names}: COCO JSON has names of its own")
    return read_coco_labels(request.labels, request.images)


def class_numbers(
    labelled: LabelledSet, known: Sequence[str], wanted: Sequence[str] | None
) -> dict[int, int]:
    """Returns the detector's class index for each evaluated class index of the labels.

    Args:
        labelled: The labels; without names their class indices are the detector's.
        known: The detector's class names.
        wanted: Names of the classes to evaluate; `None` for all that occur.

    Raises:
        ConfigError: The labels or the detector lack a class.
        DataError: A class index of the labels has no name.
    """
    names = tuple(known) if labelled.names is None else labelled.names
    present = np.unique(np.concatenate([image.classes for image in labelled.images])).tolist()
    if present and present[-1] >= len(names):
        raise DataError(
            f"labels: class {present[-1]} has no name, got {len(names)} names; name the "
            "labels' class indices with --label-names FILE"
        )
    chosen = [names[number] for number in present] if wanted is None else wanted
    for name in chosen:
        if name not in names:
            raise ConfigError(
                f"--classes {name}: the labels have no such class{nearest(name, names)}"
            )
        if name not in known:
            raise ConfigError(
                f"class {name!r} of the labels is not a class of the detector, which has "
                f"{_first_names(known)}{nearest(name, known)}; name its classes with --names, or "
                "those to evaluate with --classes"
            )
    return {names.index(name): known.index(name) for name in chosen}


def _first_names(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:6])} and others"


def _image_results(
    images: Sequence[LabelledImage], detector: TimedDetector, numbers: Mapping[int, int]
) -> Iterator[ImageResult]:
    size = (0, 0)
    for image in images:
        frame, info = _read_image(image.path)
        if (info.width, info.height) != size:
            size = (info.width, info.height)
            detector.start(info)
        (detections,) = detector.detect([frame], Stopwatch())
        kept = np.isin(image.classes, list(numbers))
        yield ImageResult(
            truth=image.boxes[kept] * np.array([*size, *size], np.float64),
            truth_classes=np.array([numbers[n] for n in image.classes[kept].tolist()], np.int32),
            crowd=image.crowd[kept],
            boxes=detections.boxes,
            scores=detections.scores,
            classes=detections.classes,
        )


def _read_image(path: Path) -> tuple[Frame, VideoInfo]:
    with ImageFolder(path) as source:
        return next(iter(source)), source.info


def _json_record(precision: AveragePrecision, names: Sequence[str], images: int) -> dict[str, Any]:
    return {
        "images": images,
        "mAP50": precision.map50,
        "mAP": precision.map,
        "classes": {
            names[number]: {"AP50": scores.ap50, "AP": scores.ap, "objects": scores.truth}
            for number, scores in precision.classes.items()
        },
    }
