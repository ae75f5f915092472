"""TensorFlow networks that suppress in the graph: the Object Detection API, and combined NMS."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.detection.image_input import Fit, ImageInput
from tracker.detection.layouts.arrays import ImagesOnly, base_name, fits, fitted_input
from tracker.detection.layouts.base import Candidates
from tracker.detection.layouts.tables import (
    SuppressedRows,
    as_float32,
    box_unit,
    shape_error,
    suppressed_candidates,
)
from tracker.inference.network import AxisOrder, TensorSpec

_API_NAMES = ("detection_boxes", "detection_scores", "detection_classes")
_NMS_NAMES = ("nmsed_boxes", "nmsed_scores", "nmsed_classes", "valid_detections")

# The network itself resizes what it is given, so the input has the frame's own aspect (stride 1)
# and nothing is padded: with these, stretching changes the aspect by less than a pixel. 1024 is
# the long side that the published Faster R-CNN and CenterNet resize to; smaller ones shrink it.
_API_WANTED = ImageInput(
    long_side=1024, stride=1, fit=Fit.STRETCH, axes=AxisOrder.NHWC, scale=1.0, dtype="uint8"
)
_NMS_WANTED = ImageInput(axes=AxisOrder.NHWC)


@dataclass(frozen=True, slots=True)
class TfDetection(ImagesOnly):
    """Signature of the TensorFlow 2 Object Detection API: SSD, Faster and Mask R-CNN, CenterNet.

    Classes are counted from 1 there and from 0 here: networks trained on COCO give its 91-number
    category ids less 1. Other outputs, such as `raw_detection_boxes`, are left unread.
    """

    name: str = "tf-detection"
    outputs_text: str = (
        "outputs named detection_boxes (batch, objects, 4), detection_scores and "
        "detection_classes (batch, objects), and perhaps num_detections (batch) and "
        "detection_masks (batch, objects, height, width)"
    )
    is_suppressed: bool = True

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout."""
        named = {base_name(spec): spec for spec in outputs}
        if not set(_API_NAMES) <= set(named):
            return False
        boxes, scores, classes = (named[name] for name in _API_NAMES)
        return fits(boxes, None, None, 4) and fits(scores, None, None) and fits(classes, None, None)

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns `None`: the outputs do not show it."""
        return None

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns RGB from 0 to 255 with the frame's own aspect, nothing around it."""
        return fitted_input(_API_WANTED, spec)

    def decode(
        self,
        outputs: Sequence[NDArray[Any]],
        specs: Sequence[TensorSpec],
        *,
        input_size: tuple[int, int],
        least_score: float,
    ) -> list[Candidates]:
        """Returns the candidates of each image of a batch; see `Layout.decode`."""
        named = _by_name(outputs, specs)
        if not set(_API_NAMES) <= set(named):
            raise shape_error(self.name, self.outputs_text, outputs)
        boxes, scores, classes = (named[name] for name in _API_NAMES)
        with np.errstate(all="ignore"):
            rows = SuppressedRows(
                boxes,
                scores,
                as_float32(classes) - 1,
                counts=named.get("num_detections"),
                masks=named.get("detection_masks"),
                columns=(1, 0, 3, 2),
                unit=box_unit(input_size),
            )
        if not rows.is_consistent:
            raise shape_error(self.name, self.outputs_text, outputs)
        return suppressed_candidates(rows, least_score=least_score)


@dataclass(frozen=True, slots=True)
class TfNms(ImagesOnly):
    """Outputs of TensorFlow's combined suppression, as YOLOv5's SavedModel with `--nms` has them.

    That export hands left, top, right, bottom to an operation that is documented for top, left,
    bottom, right and does not care; its order comes out again. Classes count from 0.
    """

    name: str = "tf-nms"
    outputs_text: str = (
        "four outputs named nmsed_boxes (batch, objects, 4), nmsed_scores and nmsed_classes "
        "(batch, objects) and valid_detections (batch), or these in this order"
    )
    is_suppressed: bool = True

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout."""
        ordered = _nms_order(outputs)
        if ordered is None or (inputs and not _has_nms_names(outputs)):
            return False
        boxes, scores, classes, count = (outputs[index] for index in ordered)
        return (
            fits(boxes, None, None, 4)
            and fits(scores, None, None)
            and fits(classes, None, None)
            and fits(count, None)
        )

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns `None`: the outputs do not show it."""
        return None

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns RGB in `[0, 1]`, letterboxed in the middle, grey 114 around it."""
        return fitted_input(_NMS_WANTED, spec)

    def decode(
        self,
        outputs: Sequence[NDArray[Any]],
        specs: Sequence[TensorSpec],
        *,
        input_size: tuple[int, int],
        least_score: float,
    ) -> list[Candidates]:
        """Returns the candidates of each image of a batch; see `Layout.decode`."""
        ordered = _nms_order(specs)
        if ordered is None or len(outputs) != len(specs):
            raise shape_error(self.name, self.outputs_text, outputs)
        boxes, scores, classes, count = (outputs[index] for index in ordered)
        rows = SuppressedRows(boxes, scores, classes, counts=count, unit=box_unit(input_size))
        if not rows.is_consistent:
            raise shape_error(self.name, self.outputs_text, outputs)
        return suppressed_candidates(rows, least_score=least_score)


def _by_name(
    outputs: Sequence[NDArray[Any]], specs: Sequence[TensorSpec]
) -> dict[str, NDArray[Any]]:
    if len(outputs) != len(specs):
        return {}
    return {base_name(spec): array for spec, array in zip(specs, outputs, strict=True)}


def _has_nms_names(outputs: Sequence[TensorSpec]) -> bool:
    return {base_name(spec) for spec in outputs} == set(_NMS_NAMES)


def _nms_order(outputs: Sequence[TensorSpec]) -> list[int] | None:
    """Returns where boxes, scores, classes and count are; as they stand if no name tells."""
    if len(outputs) != len(_NMS_NAMES):
        return None
    if not _has_nms_names(outputs):
        return list(range(len(outputs)))
    names = [base_name(spec) for spec in outputs]
    return [names.index(name) for name in _NMS_NAMES]
