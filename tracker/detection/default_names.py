"""Class names for networks that come without any."""

from collections.abc import Mapping, Sequence
from os import PathLike
from types import MappingProxyType

from tracker.inference.name_lists import numbered_names
from tracker.models.files.class_names import read_class_names

COCO_NAMES = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    *("traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat"),
    *("dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack"),
    *("umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball"),
    *("kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket"),
    *("bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair"),
    *("couch", "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse"),
    *("remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink"),
    *("refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier"),
    "toothbrush",
)
"""The 80 classes of the COCO detection task, in the order that YOLO networks use."""

VOC_NAMES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
"""The 20 classes of Pascal VOC."""


_PAPER_ONLY = {
    11: "street sign",
    25: "hat",
    28: "shoe",
    29: "eye glasses",
    44: "plate",
    65: "mirror",
    67: "window",
    68: "desk",
    70: "door",
    82: "blender",
}
"""Places, from 0, of classes that COCO's paper names and its detection task leaves out."""


def _paper_names() -> tuple[str, ...]:
    of_task = iter(COCO_NAMES)
    count = len(COCO_NAMES) + len(_PAPER_ONLY)
    return tuple(_PAPER_ONLY.get(index) or next(of_task) for index in range(count))


COCO_PAPER_NAMES = _paper_names()
"""90 classes in the numbering of COCO's annotations, less 1: TensorFlow's detectors use it."""


NAME_LISTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"coco": COCO_NAMES, "coco91": COCO_PAPER_NAMES, "voc": VOC_NAMES}
)
"""Lists of names by the word that the registry of models uses."""

Names = str | PathLike[str] | Sequence[str]
"""A file with a name a line, or the names themselves."""


def given_class_names(names: Names) -> tuple[str, ...]:
    """Returns the names that a file or a list holds.

    Raises:
        ModelError: The file cannot be read or holds something else.
    """
    if isinstance(names, str | PathLike):
        return read_class_names(names)
    return numbered_names(names, what="class names")


def default_class_names(count: int) -> tuple[str, ...]:
    """Returns the names that networks with so many classes usually have, else numbered ones.

    20 are Pascal VOC's, 80 those of COCO's detection task, 90 those of COCO's annotations, and 91
    the same after one that stands for nothing.

    Example:
        >>> default_class_names(2)
        ('class_0', 'class_1')
    """
    for names in (COCO_NAMES, VOC_NAMES, COCO_PAPER_NAMES, ("background", *COCO_PAPER_NAMES)):
        if len(names) == count:
            return names
    return tuple(f"class_{index}" for index in range(count))


_OF_PAPER = frozenset({"tf-detection", "tflite-detection"})
"""Layouts of TensorFlow's model zoo."""


def layout_class_names(layout: str) -> tuple[str, ...]:
    """Returns the names that networks usually have whose outputs tell no number of classes.

    Those of TensorFlow's zoo use the numbering of COCO's annotations, all others (YOLO, RT-DETR,
    DEIMv2, RTMDet) the 80 classes of its detection task.

    Args:
        layout: The layout's name.

    Example:
        >>> layout_class_names("detr-deploy")[11]
        'stop sign'
    """
    return COCO_PAPER_NAMES if layout in _OF_PAPER else COCO_NAMES
