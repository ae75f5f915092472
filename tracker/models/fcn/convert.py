"""Converts a window classifier to a fully convolutional network for images of any size.

The result has the same weights and classifies every window of an image in one pass. Sliding a
classifier is a convolution: Flatten and the first Dense become a convolution whose kernel is as
large as the feature map of one window, each later Dense a 1x1 convolution (OverFeat, arXiv
1312.6229, sec. 3.5; fully convolutional networks, arXiv 1411.4038, sec. 3.1). Computation shared by
overlapping windows is done once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras

from tracker.errors import DataError, ModelError
from tracker.models.fcn.layers import Stage, convert, final_activation, new_weights
from tracker.models.fcn.shape import (
    BOX,
    BOX_VALUES,
    CLASS,
    GLOBAL_POOLING_LAYERS,
    OBJECTNESS,
    OUTPUTS,
)

# By how many pixels the input is enlarged, symbolically, to measure the total stride. Strides that
# do not divide it are refused; the usual ones (powers of two, with a factor of 3, 5 or 7) do.
_PROBE_PX = 2**7 * 3**2 * 5 * 7


@dataclass(frozen=True, slots=True, eq=False)
class WindowNetwork:
    """A window classifier in fully convolutional form.

    Attributes:
        network: `keras.Model` of float32 `(B, H, W, channels)`, any size from one window up, to a
            dict: "class" `(B, rows, columns, C)`, "objectness" `(B, rows, columns, 1)` and "box"
            `(B, rows, columns, 4)`: centre x, centre y, width, height in fractions of the window.
            Call it with `training=False`.
        window: Height and width of a window in pixels. Row i and column j belong to the window
            whose top-left corner is at `(i * stride[0], j * stride[1])`, as (y, x).
        stride: Pixels between neighbouring windows, vertically and horizontally.
        class_count: `C`.
        channels: Channels of the image.
    """

    network: Any
    window: tuple[int, int]
    stride: tuple[int, int]
    class_count: int
    channels: int

    def grid(self, size: tuple[int, int]) -> tuple[int, int]:
        """Returns the rows and columns of windows in an image of this height and width.

        Height and width should be a window plus a whole number of strides, as the detector pads
        them. Otherwise the network may give one more row and column, and with `same` padding in the
        extractor windows are shifted by fractions of a stride.

        Raises:
            DataError: The image is smaller than a window.
        """
        if size[0] < self.window[0] or size[1] < self.window[1]:
            raise DataError(
                f"image: expected height and width of at least {self.window}, got {size}; pad it"
            )
        rows, columns = (
            (side - window) // stride + 1
            for side, window, stride in zip(size, self.window, self.stride, strict=True)
        )
        return rows, columns


def fully_convolutional(model: Any) -> WindowNetwork:
    """Returns the fully convolutional form of a window classifier, with copies of its weights.

    Args:
        model: A functional `keras.Model` with one input `(B, height, width, channels)` of fixed
            size and three outputs, as in `fcn.shape.OUTPUTS`: "class" `(B, C)`, "objectness"
            `(B, 1)` and "box" `(B, 4)`, as a dict with these keys or as a list in this order.
            Between the extractor and the outputs is a Flatten or a global pooling.

    Raises:
        ModelError: The model has other inputs or outputs, or a layer that cannot slide.
    """
    height, width, channels = _input_shape(model)
    _check_outputs(model)
    converter = _Converter()
    # First at the window's size, where all shapes are known and weights are copied, then again with
    # the same layers for any size.
    converter.run(model, [keras.Input((height, width, channels))])
    image = keras.Input((None, None, channels), name="image")
    outputs = dict(zip(OUTPUTS, _in_order(converter.run(model, [image])), strict=True))
    for name in OUTPUTS:
        converter.check_end(name, outputs[name])
    network = keras.Model(image, outputs, name="fully_convolutional")
    return WindowNetwork(
        network=network,
        window=(height, width),
        stride=_stride(network, (height, width, channels)),
        class_count=int(outputs[CLASS].shape[-1]),
        channels=channels,
    )


class _Made(NamedTuple):
    """A tensor of the new network with its stage; keeping a reference keeps its id unique."""

    tensor: Any
    stage: Stage
    activation: str | None


class _Converter:
    """Converts a model and its nested models, each layer once."""

    def __init__(self) -> None:
        self._made: dict[int, _Made] = {}
        self._layers: dict[int, Any] = {}
        self._nested: dict[Any, tuple[Any, Any]] = {}

    def run(self, model: Any, inputs: Sequence[Any], *, stage: Stage = Stage.MAP) -> Any:
        """Returns the new outputs of a model, structured as its own.

        Args:
            model: A functional or sequential model.
            inputs: New `keras.Input` tensors that replace its inputs.
            stage: Stage of these inputs.
        """
        for tensor in inputs:
            self._keep(tensor, stage, None)
        if isinstance(model, keras.Sequential):
            (tensor,) = inputs
            for layer in model.layers:
                tensor = self._call(layer, tensor)
            return tensor
        # Keras traverses the graph; only the outputs of the clone are used.
        return keras.models.clone_model(
            model,
            input_tensors=keras.tree.pack_sequence_as(model.input, list(inputs)),
            clone_function=lambda layer: layer,
            call_function=lambda layer, *args, **_: self._call(layer, *args),
        ).output

    def check_end(self, name: str, tensor: Any) -> None:
        """Checks the last layers before an output of the whole model.

        Raises:
            ModelError: There was no Flatten, or the activation is not the expected one.
        """
        _, stage, activation = self._made[id(tensor)]
        if stage is not Stage.CELL:
            raise ModelError(
                f"output {name!r}: expected Flatten (or global pooling) and a Dense before it, got "
                f"a tensor {stage.value}"
            )
        allowed: tuple[str | None, ...] = (activation,)
        if name != BOX:
            allowed = ("softmax",) if name == CLASS else ("sigmoid",)
        if name == CLASS and tensor.shape[-1] == 1:
            # The softmax of a single number is always 1, and Keras warns about it.
            allowed = ("sigmoid", "softmax")
        if activation not in allowed:
            raise ModelError(
                f"output {name!r}: expected it to end with {allowed[0]}, got {activation}; outputs "
                f"are {', '.join(OUTPUTS)}, as a dict or in this order"
            )

    def _call(self, layer: Any, *args: Any) -> Any:
        """Returns the output of the converted layer for new tensors."""
        tensors = [x for x in keras.tree.flatten(args) if isinstance(x, keras.KerasTensor)]
        stage, before = self._common(layer, tensors)
        if isinstance(layer, keras.Model):
            return self._call_nested(layer, tensors, stage)
        if type(layer) is keras.layers.Flatten:
            after = Stage.FLAT if stage is Stage.MAP else stage
            return self._keep(keras.layers.Identity()(tensors[0]), after, before)
        is_new = id(layer) not in self._layers
        if is_new:
            self._layers[id(layer)] = convert(layer, stage, map_size=tensors[0].shape[1:3])
        new = self._layers[id(layer)]
        output = new(*args)
        if is_new:
            new.set_weights(new_weights(layer, new))
        return self._keep(output, _after(layer, stage), final_activation(layer, before))

    def _call_nested(self, model: Any, tensors: Sequence[Any], stage: Stage) -> Any:
        """Returns the outputs of a nested model, whose layer names have their own scope."""
        _check_is_graph(model)
        key = (id(model), stage, *(tuple(tensor.shape) for tensor in tensors))
        if key not in self._nested:
            inputs = [keras.Input(tensor.shape[1:], dtype=tensor.dtype) for tensor in tensors]
            outputs = self.run(model, inputs, stage=stage)
            self._nested[key] = keras.Model(inputs, outputs, name=model.name), outputs
        new, inner = self._nested[key]
        result = new(list(tensors))
        for tensor, known in zip(
            keras.tree.flatten(result), keras.tree.flatten(inner), strict=True
        ):
            self._keep(tensor, *self._made[id(known)][1:])
        return result

    def _common(self, layer: Any, tensors: Sequence[Any]) -> tuple[Stage, str | None]:
        """Returns the stage of a layer's inputs, and the last activation of the first of them."""
        made = [self._made[id(tensor)] for tensor in tensors]
        if len({known.stage for known in made}) != 1:
            raise ModelError(
                f"layer {layer.name!r}: it joins tensors before and after Flatten or global "
                "pooling, as squeeze-and-excitation does, and cannot slide over an image; use an "
                "extractor without, see docs/fcn.md"
            )
        return made[0].stage, made[0].activation

    def _keep(self, tensor: Any, stage: Stage, activation: str | None) -> Any:
        self._made[id(tensor)] = _Made(tensor, stage, activation)
        return tensor


def _after(layer: Any, stage: Stage) -> Stage:
    if stage is Stage.MAP:
        return Stage.CELL if type(layer).__name__ in GLOBAL_POOLING_LAYERS else Stage.MAP
    return Stage.CELL if isinstance(layer, keras.layers.Dense) else stage


def _check_is_graph(model: Any) -> None:
    """Raises unless the model is functional or sequential, so that its graph is known."""
    if getattr(model, "operations", None) is None and not isinstance(model, keras.Sequential):
        raise ModelError(
            f"model {model.name!r}: expected a functional or sequential keras.Model, got the "
            f"subclass {type(model).__name__}; build it with keras.Model(inputs, outputs)"
        )


def _input_shape(model: Any) -> tuple[int, int, int]:
    if not isinstance(model, keras.Model):
        raise ModelError(f"window classifier: expected a keras.Model, got {type(model).__name__}")
    if isinstance(model, keras.Sequential):
        raise ModelError(
            f"window classifier: expected the outputs {', '.join(OUTPUTS)}, got a Sequential with "
            "one; build it with keras.Model(inputs, outputs)"
        )
    _check_is_graph(model)
    if len(model.inputs) != 1:
        raise ModelError(
            f"window classifier: expected one input, the window, got {len(model.inputs)}"
        )
    shape = tuple(model.inputs[0].shape)[1:]
    if len(shape) != 3 or not all(shape):
        raise ModelError(
            "window classifier: expected an input of fixed size (height, width, channels), got "
            f"{shape}"
        )
    height, width, channels = shape
    return height, width, channels


def _in_order(outputs: Any) -> list[Any]:
    return [outputs[name] for name in OUTPUTS] if isinstance(outputs, dict) else list(outputs)


def _check_outputs(model: Any) -> None:
    """Checks the number, names and shapes of the outputs."""
    outputs = model.output
    named = isinstance(outputs, dict)
    if not isinstance(outputs, dict | list | tuple) or len(outputs) != 3:
        got = len(outputs) if isinstance(outputs, dict | list | tuple) else 1
        raise ModelError(f"window classifier: expected the outputs {', '.join(OUTPUTS)}, got {got}")
    if named and set(outputs) != set(OUTPUTS):
        raise ModelError(
            f"window classifier: expected the outputs {', '.join(OUTPUTS)}, got "
            f"{', '.join(map(str, outputs))}"
        )
    lengths = {CLASS: None, OBJECTNESS: 1, BOX: BOX_VALUES}
    for name, tensor in zip(OUTPUTS, _in_order(outputs), strict=True):
        shape, length = tuple(tensor.shape), lengths[name]
        if len(shape) != 2 or (length is not None and shape[1] != length):
            wanted = f"(batch, {length or 'classes'})"
            raise ModelError(
                f"output {name!r}: expected shape {wanted}, got (batch, "
                f"{', '.join(map(str, shape[1:]))}); outputs are {', '.join(OUTPUTS)}, as a dict "
                "or in this order"
            )


def _stride(network: Any, shape: tuple[int, int, int]) -> tuple[int, int]:
    """Returns the total stride, from the grid of a much larger image."""
    height, width, channels = shape
    larger = (None, height + _PROBE_PX, width + _PROBE_PX, channels)
    grids = {tuple(grid[1:3]) for grid in network.compute_output_shape(larger).values()}
    if len(grids) != 1:
        raise ModelError(
            "window classifier: expected class, objectness and box to slide alike, got the grids "
            f"{sorted(grids)}; take all three from one feature map"
        )
    steps = [side - 1 for side in grids.pop()]
    if not all(step > 0 and _PROBE_PX % step == 0 for step in steps):
        ratios = ", ".join(f"{_PROBE_PX / step:.4g}" if step > 0 else "none" for step in steps)
        raise ModelError(
            f"window classifier: expected a whole number of pixels from window to window, a "
            f"divisor of {_PROBE_PX}, got {ratios}; change the extractor's strides"
        )
    return _PROBE_PX // steps[0], _PROBE_PX // steps[1]
