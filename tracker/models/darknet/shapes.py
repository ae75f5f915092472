"""Output shapes of all layers, by darknet's formulas.

Layers that do not fit each other are a `ModelError` with the line number.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from tracker.errors import ModelError
from tracker.models.darknet.sections import (
    Convolution,
    DarknetCfg,
    Detection,
    Layer,
    MaxPool,
    Reorg,
    Route,
    Shortcut,
    Upsample,
)


@dataclass(frozen=True, slots=True)
class LayerShape:
    """Height and width in cells, and channels."""

    height: int
    width: int
    channels: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}x{self.channels}"


def infer_shapes(cfg: DarknetCfg, *, height: int, width: int) -> tuple[LayerShape, ...]:
    """Returns the shape of every layer's output; a head's is that of the map it reads.

    Args:
        cfg: A parsed cfg file.
        height: Height in pixels of the network input.
        width: Width in pixels of the network input.

    Raises:
        ModelError: Layers do not fit each other; the message names the line.
    """
    shapes: list[LayerShape] = []
    for index, layer in enumerate(cfg.layers):
        before = shapes[-1] if shapes else LayerShape(height, width, 3)
        for source in _sources(layer, index):
            if source >= 0 and isinstance(cfg.layers[source], Detection):
                raise _error(
                    cfg, layer, f"reads layer {source}, a head, whose output cannot be an input"
                )
        shape = _shape(cfg, layer, before, shapes)
        if shape.height < 1 or shape.width < 1:
            raise _error(
                cfg,
                layer,
                f"the output is empty ({shape}); the input {height}x{width} is too small",
            )
        shapes.append(shape)
    return tuple(shapes)


def input_shape(shapes: Sequence[LayerShape], index: int, *, height: int, width: int) -> LayerShape:
    """Returns the shape of the input of layer `index`."""
    return shapes[index - 1] if index else LayerShape(height, width, 3)


def network_stride(cfg: DarknetCfg) -> int:
    """Returns the number that input sizes have to be multiples of: the largest downsampling.

    Where downsampling factors do not divide each other, it is their common multiple.
    """
    factors: list[tuple[Fraction, Fraction]] = []
    for layer in cfg.layers:
        y, x = factors[-1] if factors else (Fraction(1), Fraction(1))
        match layer:
            case Convolution() | MaxPool():
                y, x = y * layer.stride_y, x * layer.stride_x
            case Reorg():
                y, x = y * layer.stride, x * layer.stride
            case Upsample():
                y, x = y / layer.stride, x / layer.stride
            case Route():
                y, x = factors[layer.layers[0]]
        factors.append((y, x))
    return math.lcm(*(factor.numerator for pair in factors for factor in pair))


def check_input_size(cfg: DarknetCfg, *, height: int, width: int, stride: int) -> None:
    """Raises unless an input size is positive and a multiple of the stride.

    Raises:
        ModelError: It is not.
    """
    for name, value in (("height", height), ("width", width)):
        if value < 1 or value % stride:
            below = max(value // stride, 1) * stride
            raise ModelError(
                f"{cfg.source}: expected an input {name} that is a multiple of {stride}, got "
                f"{value}; try {below} or {below + stride}"
            )


def _sources(layer: Layer, index: int) -> tuple[int, ...]:
    match layer:
        case Route():
            return layer.layers
        case Shortcut():
            return (index - 1, *layer.layers)
        case _:
            return (index - 1,)


def _error(cfg: DarknetCfg, layer: Layer, problem: str) -> ModelError:
    kind = {"Convolution": "convolutional", "Detection": "yolo"}.get(
        type(layer).__name__, type(layer).__name__.lower()
    )
    if isinstance(layer, Detection):
        kind = layer.head.kind.value
    return ModelError(f"{cfg.source}:{layer.line}: [{kind}] {problem}")


def _shape(
    cfg: DarknetCfg, layer: Layer, before: LayerShape, shapes: Sequence[LayerShape]
) -> LayerShape:
    match layer:
        case Convolution():
            return _convolution(cfg, layer, before)
        case MaxPool():
            return _strided(layer, before, padding=layer.padding)
        case Route():
            return _route(cfg, layer, shapes)
        case Upsample() | Reorg():
            return _resized(cfg, layer, before)
        case Shortcut():
            _check_shortcut(cfg, layer, before, shapes)
        case Detection():
            _check_head(cfg, layer, before)
    return before


def _check_shortcut(
    cfg: DarknetCfg, layer: Shortcut, before: LayerShape, shapes: Sequence[LayerShape]
) -> None:
    for index in layer.layers:
        if shapes[index] != before:
            raise _error(cfg, layer, f"expected {before} from layer {index}, got {shapes[index]}")


def _check_head(cfg: DarknetCfg, layer: Detection, before: LayerShape) -> None:
    head = layer.head
    if before.channels != head.channels:
        raise _error(
            cfg,
            layer,
            f"expected {head.channels} channels ({len(head.anchors)} anchors * (5 + "
            f"{head.class_count} classes)), got {before.channels}; "
            "fix filters= of the layer before, or classes= or the anchors",
        )


def _strided(layer: Convolution | MaxPool, before: LayerShape, *, padding: int) -> LayerShape:
    """Returns `(in + padding - size) // stride + 1` cells; `padding` is the sum of both sides."""
    return LayerShape(
        (before.height + padding - layer.size) // layer.stride_y + 1,
        (before.width + padding - layer.size) // layer.stride_x + 1,
        before.channels,
    )


def _convolution(cfg: DarknetCfg, layer: Convolution, before: LayerShape) -> LayerShape:
    for name, count in (("input channels", before.channels), ("filters", layer.filters)):
        if count % layer.groups:
            raise _error(
                cfg, layer, f"expected {name} that divide into groups={layer.groups}, got {count}"
            )
    shape = _strided(layer, before, padding=2 * layer.padding)
    return LayerShape(shape.height, shape.width, layer.filters)


def _route(cfg: DarknetCfg, layer: Route, shapes: Sequence[LayerShape]) -> LayerShape:
    first = shapes[layer.layers[0]]
    channels = 0
    for index in layer.layers:
        shape = shapes[index]
        if (shape.height, shape.width) != (first.height, first.width):
            raise _error(
                cfg,
                layer,
                f"expected layers of one size, got {first} from layer {layer.layers[0]} "
                f"and {shape} from layer {index}",
            )
        if shape.channels % layer.groups:
            raise _error(
                cfg,
                layer,
                f"expected channels that divide into groups={layer.groups}, got "
                f"{shape.channels} from layer {index}",
            )
        channels += shape.channels // layer.groups
    return LayerShape(first.height, first.width, channels)


def _resized(cfg: DarknetCfg, layer: Upsample | Reorg, before: LayerShape) -> LayerShape:
    stride, area = layer.stride, layer.stride**2
    if isinstance(layer, Upsample):
        return LayerShape(before.height * stride, before.width * stride, before.channels)
    if before.height % stride or before.width % stride or before.channels % area:
        raise _error(
            cfg,
            layer,
            f"expected a size divisible by {stride} and channels divisible by {area}, got {before}",
        )
    return LayerShape(before.height // stride, before.width // stride, before.channels * area)
