"""From the detections of several teachers, and human labels, to the labels of one image."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracker.boxes import clip, is_proper, pairwise_iou
from tracker.detection.nms import NmsMode, NmsSettings, nms
from tracker.detections import Detections
from tracker.evaluation.labels import LabelledImage
from tracker.training.labels.fuse import Voter, weighted_boxes_fusion
from tracker.training.labels.settings import Extra, LabelSettings, common_name
from tracker.training.labels.teachers import Teacher
from tracker.util.arrays import BoolArray, Float32Array, Float64Array, Int32Array

_CONFIRMED_IOU = 0.5
"""A human label is confirmed by a fused box of its class that it overlaps by more than this."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageLabels:
    """What is in one image; `N` boxes.

    Attributes:
        boxes: `(N, 4)` float32 xyxy in pixels.
        classes: `(N,)` int32.
        scores: `(N,)` float32 in `[0, 1]`: fused scores, and those of human labels.
        sure: `(N,)` bool: a label; otherwise a region to ignore.
    """

    boxes: Float32Array
    classes: Int32Array
    scores: Float32Array
    sure: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class HumanLabels:
    """Human labels of one image; `G` boxes.

    Attributes:
        boxes: `(G, 4)` float64 xyxy as fractions of width and height.
        classes: `(G,)` int32, index into the classes to label.
        crowd: `(G,)` bool: a region to ignore.
        scores: `(G,)` float64 in `[0, 1]`.
        labelled: `(C,)` bool: classes whose objects all have a label or are in a crowd.
    """

    boxes: Float64Array
    classes: Int32Array
    crowd: BoolArray
    scores: Float64Array
    labelled: BoolArray


def human_labels(
    images: Iterable[LabelledImage], names: Sequence[str], classes: Sequence[str]
) -> dict[Path, HumanLabels]:
    """Returns the human labels of images by their resolved paths.

    Args:
        images: The labelled images.
        names: Class names by class number of their labels.
        classes: Names of the classes to label; labels of others are left out.
    """
    numbers = _numbers(names, classes)
    labelled = np.isin(np.arange(len(classes)), numbers)
    found = {}
    for image in images:
        own = numbers[image.classes].astype(np.int32)
        kept = (own >= 0) & is_proper(image.boxes.astype(np.float32))
        found[image.path.resolve()] = HumanLabels(
            image.boxes[kept], own[kept], image.crowd[kept], image.scores[kept], labelled
        )
    return found


def fuse_labels(
    found: Sequence[Detections],
    teachers: Sequence[Teacher],
    size: tuple[int, int],
    *,
    settings: LabelSettings,
    human: HumanLabels | None = None,
) -> ImageLabels:
    """Returns the labels and the doubtful boxes of one image.

    Where teachers see two classes in the same box, as a van is a car, a truck or a bus to them, the
    best score wins and the other box is gone. A human label wins over all fused boxes of its class
    that overlap it, and over boxes of other classes in the same place.

    Args:
        found: What each teacher found, by its own class numbers.
        teachers: The teachers, in the same order.
        size: Height and width of the image in pixels.
        settings: What becomes a label.
        human: Human labels of the image.
    """
    voters = [
        _voter(detections, teacher, settings)
        for detections, teacher in zip(found, teachers, strict=True)
    ]
    fused = weighted_boxes_fusion(voters, iou=settings.iou)
    one_class = NmsSettings(confidence=0, iou=settings.same_object, mode=NmsMode.AGNOSTIC)
    fused = fused.select(nms(fused.boxes, fused.scores, fused.classes, settings=one_class))
    if human is None:
        labels = _by_threshold(fused, settings)
    else:
        labels = _merged(fused, human, size, settings)
    return ImageLabels(
        boxes=clip(labels.boxes, width=size[1], height=size[0]),
        classes=labels.classes,
        scores=labels.scores,
        sure=labels.sure,
    )


def _by_threshold(fused: Detections, settings: LabelSettings) -> ImageLabels:
    """Returns fused boxes as labels and regions to ignore, by the thresholds of their classes."""
    limits = [settings.thresholds.get(name, settings.default) for name in settings.classes]
    sure = np.array([limit.sure for limit in limits])[fused.classes]
    doubtful = np.array([limit.doubtful for limit in limits])[fused.classes]
    kept = fused.scores >= doubtful
    is_sure = np.asarray(fused.scores >= sure)[kept]
    return ImageLabels(fused.boxes[kept], fused.classes[kept], fused.scores[kept], is_sure)


def _merged(
    fused: Detections, human: HumanLabels, size: tuple[int, int], settings: LabelSettings
) -> ImageLabels:
    """Returns human labels, and of the fused boxes those that `HumanRules` leave."""
    rules = settings.human
    boxes = human.boxes * np.array([size[1], size[0]] * 2, np.float64)
    overlap = pairwise_iou(fused.boxes.astype(np.float64), boxes)  # (N, G)
    same = fused.classes[:, None] == human.classes[None]
    covered = ((overlap > rules.overlap) & same).any(axis=1)
    covered |= (overlap > settings.same_object).any(axis=1)
    confirmed = ((overlap > _CONFIRMED_IOU) & same).any(axis=0)
    labelled = human.labelled[fused.classes]
    others = _by_threshold(fused.select(~covered & ~labelled), settings)
    extra = _extra(fused.select(~covered & labelled), settings)
    own = ImageLabels(
        boxes.astype(np.float32),
        human.classes,
        np.where(confirmed, human.scores, np.minimum(human.scores, rules.unconfirmed)),
        ~human.crowd,
    )
    return _joined((own, others, extra))


def _extra(fused: Detections, settings: LabelSettings) -> ImageLabels:
    """Returns fused boxes that overlap no human label, of classes that were labelled by hand."""
    rules = settings.human
    kept = (fused.scores >= rules.extra_from) & (rules.extra is not Extra.DROP)
    sure = np.full(int(kept.sum()), rules.extra is Extra.LABEL)
    return ImageLabels(fused.boxes[kept], fused.classes[kept], fused.scores[kept], sure)


def _joined(parts: Sequence[ImageLabels]) -> ImageLabels:
    return ImageLabels(
        boxes=np.concatenate([part.boxes for part in parts]),
        classes=np.concatenate([part.classes for part in parts]),
        scores=np.concatenate([part.scores for part in parts]).astype(np.float32),
        sure=np.concatenate([part.sure for part in parts]),
    )


def _numbers(names: Sequence[str], classes: Sequence[str]) -> Int32Array:
    """Returns the index among the classes to label of each name, -1 for the others."""
    common = [common_name(name) for name in names]
    return np.array([classes.index(n) if n in classes else -1 for n in common], np.int32)


def _voter(found: Detections, teacher: Teacher, settings: LabelSettings) -> Voter:
    numbers = _numbers(teacher.class_names, settings.classes)
    classes = numbers[found.classes].astype(np.int32)
    wanted = classes >= 0
    return Voter(
        found=Detections.create(found.boxes[wanted], found.scores[wanted], classes[wanted]),
        weight=settings.weights.get(teacher.name, 1.0),
        knows=np.isin(np.arange(len(settings.classes)), numbers),
    )
