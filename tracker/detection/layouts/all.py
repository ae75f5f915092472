"""All layouts that are known, and which of them a network has."""

from collections.abc import Sequence

from tracker.detection.layouts.base import Layout
from tracker.detection.layouts.detr import (
    RF_DETR_INPUT,
    DetrDeploy,
    DetrLogits,
)
from tracker.detection.layouts.end_to_end import EndToEnd
from tracker.detection.layouts.fastestdet import FastestDet
from tracker.detection.layouts.nanodet import PICODET, NanoDet, NanoDetPlus
from tracker.detection.layouts.rtmdet import RtmDet
from tracker.detection.layouts.ssd import Ssd
from tracker.detection.layouts.tf_detection import TfDetection, TfNms
from tracker.detection.layouts.tflite_detection import TfliteDetection
from tracker.detection.layouts.yolo import BoxUnit, YoloColumns, YoloRows
from tracker.detection.layouts.yolox import Yolox
from tracker.errors import ConfigError, ModelError, nearest
from tracker.inference.network import TensorSpec

LAYOUTS: tuple[Layout, ...] = (
    TfDetection(),
    TfNms(),
    TfliteDetection(),
    Ssd(),
    NanoDet(),
    NanoDetPlus(),
    PICODET,
    RtmDet(),
    DetrDeploy(),
    DetrLogits(),
    DetrLogits("rf-detr", names=("dets", "labels"), wanted=RF_DETR_INPUT),
    EndToEnd(),
    Yolox(),
    YoloRows(),
    YoloRows("yolov5-normalised", unit=BoxUnit.SHARES),
    YoloColumns(),
    YoloColumns("yolov8-normalised", unit=BoxUnit.SHARES),
    FastestDet(),
)
"""Every layout. The order decides nothing: `find_layout` collects all that match."""


def find_layout(
    inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], *, name: str | None = None
) -> Layout:
    """Returns the layout of a network.

    Args:
        inputs: What the network takes.
        outputs: What it gives.
        name: The layout's name; `None` to find the only one that fits.

    Raises:
        ConfigError: No layout has this name.
        ModelError: The network does not have the named layout, or none, or it may have several.
    """
    if name is not None:
        return _named_layout(name, inputs, outputs)
    found = [layout for layout in LAYOUTS if layout.matches(outputs, inputs)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ModelError(
            f"model outputs {_listed(outputs)} may be of the layouts "
            f"{', '.join(layout.name for layout in found)}; say which with "
            "detector.model.layout=NAME"
        )
    known = ", ".join(layout.name for layout in LAYOUTS)
    raise ModelError(
        f"model outputs {_listed(outputs)} with the inputs {_listed(inputs)}: expected one of the "
        f"layouts {known}; docs/models.md says what each needs; if it is one of them, say which "
        "with detector.model.layout=NAME"
    )


def _named_layout(name: str, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Layout:
    layout = next((layout for layout in LAYOUTS if layout.name == name), None)
    if layout is None:
        names = [layout.name for layout in LAYOUTS]
        raise ConfigError(
            f"detector.model.layout: expected one of {', '.join(names)}, got {name!r}"
            f"{nearest(name, names)}"
        )
    # Without the inputs: what is possible, not what is likely; the user knows better. With them:
    # a small input may have fewer anchors than classes.
    if not layout.matches(outputs) and not layout.matches(outputs, inputs):
        raise ModelError(
            f"model outputs: the layout {name} needs {layout.outputs_text}, got {_listed(outputs)}"
        )
    return layout


def _listed(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(str(spec) for spec in specs) or "none"
