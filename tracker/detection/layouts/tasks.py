"""Networks whose file says that they do more than detect: exports of YOLO with a `task`.

A pose, instance segmentation or rotated box export has the numbers of a detector and further ones
behind them. By shape alone they would pass for scores of more classes, so the task is believed
before shapes are: the further numbers are cut off, and a detector of the boxes remains. Networks
without boxes, such as classifiers, are refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.detection.image_input import ImageInput
from tracker.detection.layouts.all import LAYOUTS, find_layout
from tracker.detection.layouts.arrays import declared_axes
from tracker.detection.layouts.base import Candidates, Layout
from tracker.detection.layouts.end_to_end import EndToEnd
from tracker.detection.layouts.yolo import BoxUnit, YoloColumns, YoloRows
from tracker.errors import ModelError
from tracker.inference.network import AxisOrder, TensorSpec
from tracker.inference.stored_names import StoredFacts

POSE, SEGMENT, OBB = "pose", "segment", "obb"
_LEFT_OUT = {POSE: "keypoints", SEGMENT: "masks", OBB: "angles"}
"""What is not read, by task."""

_WITHOUT_BOXES = frozenset(
    {
        *("classify", "classification", "image-classification", "semantic", "depth"),
        *("semantic-segmentation", "depth-estimation", "embed", "feature-extraction"),
    }
)
_MOST_EXTRA = 600
"""Numbers of an object: 200 keypoints of three; above it a side counts anchors."""
_PROTOTYPES = 32
"""Coefficients of a mask in every published network, where the file does not show their number."""


@dataclass(frozen=True, slots=True)
class TaskLayout:
    """The layout of a detector, with further numbers for each object behind those of the box.

    Attributes:
        inner: The layout that is left without the further numbers.
        task: One of `POSE`, `SEGMENT` and `OBB`.
        extra: How many further numbers an object has, at least 1.
    """

    inner: Layout
    task: str
    extra: int

    @property
    def name(self) -> str:
        """The name of the detector's layout, which is what a user can choose."""
        return self.inner.name

    @property
    def outputs_text(self) -> str:
        """The outputs that it needs, in words, for errors."""
        return f"{self.inner.outputs_text}, and {self.extra} numbers of {self.task} behind them"

    @property
    def is_suppressed(self) -> bool:
        """Whether the network itself keeps one box an object."""
        return self.inner.is_suppressed

    @property
    def left_out(self) -> str:
        """What of the network is not read, in one word."""
        return _LEFT_OUT[self.task]

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout."""
        boxes = _box_output(outputs)
        return boxes is not None and self.inner.matches([self._cut(outputs[boxes])], inputs)

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns the number of classes; `None` if the outputs do not show it."""
        boxes = _box_output(outputs)
        return None if boxes is None else self.inner.class_count([self._cut(outputs[boxes])])

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns the input that the detector expects."""
        return self.inner.image_input(spec)

    def extra_inputs(
        self, specs: Sequence[TensorSpec], *, input_size: tuple[int, int], count: int = 1
    ) -> list[NDArray[Any]]:
        """Returns the inputs that the detector expects besides images."""
        return self.inner.extra_inputs(specs, input_size=input_size, count=count)

    def decode(
        self,
        outputs: Sequence[NDArray[Any]],
        specs: Sequence[TensorSpec],
        *,
        input_size: tuple[int, int],
        least_score: float,
    ) -> list[Candidates]:
        """Returns the candidates of each image of a batch; see `Layout.decode`."""
        boxes = _box_output(specs)
        axis = _axis(self.inner)
        if boxes is None or outputs[boxes].ndim != 3 or outputs[boxes].shape[axis] <= self.extra:
            shapes = ", ".join(str(array.shape) for array in outputs)
            raise ModelError(f"layout {self.name}: expected {self.outputs_text}, got {shapes}")
        values = np.moveaxis(outputs[boxes], axis, 1)
        kept = values[:, : -self.extra]
        if self.task == OBB:
            kept = _upright(kept, values[:, -1], _box_scale(self.inner, input_size))
        return self.inner.decode(
            [np.moveaxis(kept, 1, axis)],
            [self._cut(specs[boxes])],
            input_size=input_size,
            least_score=least_score,
        )

    def _cut(self, spec: TensorSpec) -> TensorSpec:
        if len(spec.shape) != 3:
            return spec
        sides, axis = list(spec.shape), _axis(self.inner)
        side = sides[axis]
        sides[axis] = None if side is None else max(side - self.extra, 0)
        return replace(spec, shape=tuple(sides))


def find_task_layout(
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    stored: StoredFacts,
    *,
    name: str | None = None,
) -> Layout:
    """Returns the layout of a network: what its file says of its task, then what shapes say.

    Args:
        inputs: What the network takes.
        outputs: What it gives.
        stored: What its file says.
        name: The layout's name; `None` to find the only one that fits.

    Raises:
        ConfigError: No layout has this name.
        ModelError: The task has no boxes, or the network does not have the named layout, or none,
            or it may have several.
    """
    task = stored.task
    if task in _WITHOUT_BOXES:
        raise ModelError(
            f"model: its file says task={task}, which finds no boxes; expected a detector, such as "
            "an export with task=detect"
        )
    boxes = _box_output(outputs)
    family = [layout for layout in LAYOUTS if isinstance(layout, YoloColumns | YoloRows | EndToEnd)]
    possible = [layout for layout in family if name in (None, layout.name)]
    # Networks of other families, such as DETR, may name a task; their outputs tell the rest.
    if task not in _LEFT_OUT or boxes is None or not possible:
        return find_layout(inputs, outputs, name=name)
    made = [_made(layout, task, inputs, outputs, stored) for layout in possible]
    found = [
        layout
        for layout in made
        if layout is not None and layout.matches(outputs, () if name is not None else inputs)
    ]
    if task == OBB and [type(layout.inner) for layout in found] == [EndToEnd]:
        raise ModelError(
            "model: its file says task=obb, and its outputs are those after suppression in the "
            "network, which are not supported; export it without (nms=False, end2end=False)"
        )
    if len(found) != 1:
        listed = ", ".join(map(str, outputs))
        which = "may be of the layouts" if found else "fit none of the layouts"
        names = [layout.name for layout in found or family]
        raise ModelError(
            f"model: its file says task={task}, and the outputs {listed} {which} "
            f"{', '.join(names)}; say which with detector.model.layout=NAME, or export it with "
            "task=detect"
        )
    return found[0]


def _made(
    inner: Layout,
    task: str,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    stored: StoredFacts,
) -> TaskLayout | None:
    """Returns the layout with as many further numbers as the task has; `None` if it has none."""
    boxes = _box_output(outputs)
    assert boxes is not None
    shape = outputs[boxes].shape
    channels = shape[_axis(inner)] if len(shape) == 3 else None
    least = 6 if isinstance(inner, EndToEnd) else 5 if isinstance(inner, YoloRows) else 4
    named = None
    if channels is not None:
        if least == 6:
            named = channels - least
        elif stored.class_names is not None:
            named = channels - least - len(stored.class_names)
    extra = {
        POSE: stored.keypoint_values or named,
        SEGMENT: _prototype_count(inputs, outputs) or named or _PROTOTYPES,
        OBB: 1,
    }[task]
    return (
        None if extra is None or not 1 <= extra <= _MOST_EXTRA else TaskLayout(inner, task, extra)
    )


def _prototype_count(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> int | None:
    """Returns how many masks those of an object are mixed of, by the output that holds them."""
    maps = [spec.shape for spec in outputs if len(spec.shape) == 4]
    if len(maps) != 1:
        return None
    return maps[0][3 if declared_axes(inputs) is AxisOrder.NHWC else 1]


def _box_output(outputs: Sequence[TensorSpec]) -> int | None:
    """Returns the place of the only output that can hold a row or column for each object."""
    flat = [place for place, spec in enumerate(outputs) if len(spec.shape) == 3]
    if not flat and len(outputs) == 1 and not outputs[0].shape:
        return 0
    return flat[0] if len(flat) == 1 else None


def _axis(layout: Layout) -> int:
    """Returns along which side of the output the numbers of an object lie."""
    return 1 if isinstance(layout, YoloColumns) else 2


def _box_scale(layout: Layout, input_size: tuple[int, int]) -> tuple[float, float]:
    """Returns width and height in pixels of what a box counts as 1."""
    is_share = isinstance(layout, YoloColumns | YoloRows) and layout.unit is BoxUnit.SHARES
    return (float(input_size[1]), float(input_size[0])) if is_share else (1.0, 1.0)


def _upright(
    values: NDArray[Any], angles: NDArray[Any], scale: tuple[float, float]
) -> NDArray[Any]:
    """Returns candidates with the smallest upright boxes around rotated ones.

    Args:
        values: `(B, 4 + ..., N)`: centre and size first.
        angles: `(B, N)` in radians, from the x axis towards the y axis.
        scale: Width and height in pixels of what a box counts as 1.
    """
    with np.errstate(all="ignore"):
        cosine, sine = np.abs(np.cos(angles)), np.abs(np.sin(angles))
        width, height = values[:, 2] * scale[0], values[:, 3] * scale[1]
        upright = np.array(values)
        upright[:, 2] = (width * cosine + height * sine) / scale[0]
        upright[:, 3] = (width * sine + height * cosine) / scale[1]
    return upright
