"""Fused boxes and human labels of one image, from scripted detections."""

from pathlib import Path

import numpy as np
import pytest

from tracker.detections import Detections
from tracker.errors import ConfigError
from tracker.evaluation.labels import LabelledImage
from tracker.training.labels.merge import HumanLabels, fuse_labels, human_labels
from tracker.training.labels.settings import Extra, HumanRules, LabelSettings, Thresholds

CLASSES = ("person", "motorcycle")
SIZE = (20, 40)
RULES = HumanRules()


class Named:
    """A teacher of these class names; its detections are given to the functions directly."""

    def __init__(self, name: str, *class_names: str) -> None:
        self.name, self.class_names = name, class_names

    def detect(self, image: np.ndarray) -> Detections:
        raise AssertionError("the detections are given")


def detections(*rows: tuple[list[float], float, int]) -> Detections:
    boxes, scores, classes = zip(*rows, strict=True)
    return Detections.create(boxes, scores, np.array(classes, np.int32))


def fused(
    *rows: tuple[list[float], float, int],
    human: HumanLabels | None = None,
    rules: HumanRules = RULES,
    **more,
):
    """Labels of one teacher's detections."""
    teacher = Named("only", *CLASSES)
    chosen = LabelSettings(CLASSES, human=rules, **more)
    return fuse_labels([detections(*rows)], [teacher], SIZE, settings=chosen, human=human)


def by_hand(*rows: tuple[list[float], str], names=CLASSES, crowd=()) -> HumanLabels:
    """Human labels of one image: boxes in pixels and class names; `names` were labelled."""
    pixels = np.array([box for box, _ in rows], np.float64).reshape(-1, 4)
    numbers = np.array([names.index(name) for _, name in rows], np.int32)
    is_crowd = np.isin(np.arange(len(rows)), crowd)
    image = LabelledImage(Path("a.png"), pixels / [40, 20, 40, 20], numbers, is_crowd)
    return human_labels([image], names, CLASSES)[Path("a.png").resolve()]


def shown(labels) -> list[tuple[list[int], str, float, bool]]:
    rows = zip(labels.boxes, labels.classes, labels.scores, labels.sure, strict=True)
    return [
        (np.round(box).astype(int).tolist(), CLASSES[number], round(float(score), 4), bool(sure))
        for box, number, score, sure in rows
    ]


def test_thresholds_and_weights_of_their_own() -> None:
    first = detections(
        ([0, 0, 20, 20], 0.9, 1), ([20, 0, 40, 10], 0.6, 1), ([10, 5, 30, 15], 0.8, 0)
    )
    second = detections(([0, 0, 20, 20], 0.7, 0))
    pair = [Named("first", "motorbike", "person"), Named("second", "pedestrian")]
    strict = LabelSettings(
        CLASSES, thresholds={"motorcycle": Thresholds(0.95, 0.9)}, weights={"first": 3.0}
    )
    labels = fuse_labels([first, second], pair, SIZE, settings=strict)
    # (0.9 * 3 + 0.7) / 4 = 0.85. The weak person: 0.6 * 3 / 4 = 0.45 is above the default 0.35; the
    # motorcycle is below 0.9.
    assert shown(labels) == [
        ([0, 0, 20, 20], "person", 0.85, True),
        ([20, 0, 40, 10], "person", 0.45, True),
    ]


def test_an_object_has_one_class_unless_both_are_kept() -> None:
    rows = [([0, 0, 20, 20], 0.7, 0), ([0, 0, 20, 18], 0.8, 1), ([0, 0, 20, 12], 0.9, 0)]
    # The first overlaps the second by 0.9 and loses; the third overlaps it by 2/3 and stays.
    one, other = ([0, 0, 20, 12], "person", 0.9, True), ([0, 0, 20, 18], "motorcycle", 0.8, True)
    assert shown(fused(*rows, iou=0.7)) == [one, other]
    both = shown(fused(*rows, iou=0.7, same_object=1.0))
    assert both == [one, other, ([0, 0, 20, 20], "person", 0.7, True)]


def test_a_human_label_wins_over_boxes_that_overlap_it() -> None:
    rows = [
        ([0, 0, 20, 14], 0.9, 0),  # overlaps the label by 0.7: confirms it and is left out
        ([0, 0, 20, 20], 0.8, 1),  # in the very place of the label, as another class
        ([20, 0, 40, 20], 0.6, 1),  # nobody labelled motorcycles
        ([21, 0, 40, 10], 0.7, 0),  # an unlabelled person
    ]
    human = by_hand(([0, 0, 20, 20], "person"), names=("person",))
    assert shown(fused(*rows, human=human, same_object=0.8)) == [
        ([0, 0, 20, 20], "person", 1.0, True),
        ([20, 0, 40, 20], "motorcycle", 0.6, True),
    ]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (HumanRules(), []),
        (HumanRules(extra=Extra.LABEL, extra_from=0.5), [(0.7, True)]),
        (HumanRules(extra=Extra.IGNORE, extra_from=0.5), [(0.7, False)]),
        (HumanRules(extra=Extra.IGNORE, extra_from=0.8), []),
        (HumanRules(extra=Extra.LABEL, extra_from=0.1), [(0.7, True), (0.2, True)]),
    ],
)
def test_boxes_beside_all_human_labels(rules, expected) -> None:
    rows = [([21, 0, 40, 10], 0.7, 0), ([0, 0, 10, 10], 0.2, 0)]
    labels = fused(*rows, human=by_hand(names=("person",)), rules=rules)
    assert [(score, sure) for _, _, score, sure in shown(labels)] == expected


@pytest.mark.parametrize(("height", "score"), [(11, 1.0), (9, 0.6)])
def test_an_unconfirmed_human_label_may_count_for_less(height, score) -> None:
    # The fused box overlaps the label by height / 20.
    row = ([0, 0, 20, height], 0.4, 0)
    labels = fused(
        row, human=by_hand(([0, 0, 20, 20], "person")), rules=HumanRules(unconfirmed=0.6)
    )
    assert shown(labels) == [([0, 0, 20, 20], "person", score, True)]


def test_human_crowds_are_regions_to_ignore_and_other_classes_are_left_out() -> None:
    rows = [([0, 0, 20, 20], "person"), ([20, 0, 40, 20], "person"), ([0, 0, 5, 5], "kite")]
    human = by_hand(*rows, names=("kite", "person"), crowd=(1,))
    assert human.labelled.tolist() == [True, False]
    labels = fused(([20, 0, 40, 19], 0.9, 0), human=human)
    assert [(box, sure) for box, _, _, sure in shown(labels)] == [
        ([0, 0, 20, 20], True),
        ([20, 0, 40, 20], False),
    ]


def test_shares_out_of_range() -> None:
    with pytest.raises(ConfigError, match=r"unconfirmed: expected \[0, 1\], got 2"):
        HumanRules(unconfirmed=2)
    with pytest.raises(ConfigError, match=r"same_object: expected \[0, 1\], got 1.5"):
        LabelSettings(CLASSES, same_object=1.5)
