"""Shapes of a model's inputs and outputs, read the same way by every layout."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from tracker.detection.image_input import ImageInput
from tracker.errors import ModelError
from tracker.inference.network import AxisOrder, TensorSpec

_CHANNELS = 3
_FEW = 4
"""A side of an input that is larger may count pixels."""
_TYPES = ("float32", "float16", "float64", "uint8")


def base_name(spec: TensorSpec) -> str:
    """Returns a tensor's name in small letters, without TensorFlow's ":0"."""
    return spec.name.removesuffix(":0").lower()


def fits(spec: TensorSpec, *sides: int | None) -> bool:
    """Returns whether a declared shape can be this one; `None` on either side fits anything.

    A shape without any side is one that the file does not define.
    """
    if not spec.shape:
        return True
    if len(spec.shape) != len(sides):
        return False
    pairs = zip(spec.shape, sides, strict=True)
    return all(have is None or wanted is None or have == wanted for have, wanted in pairs)


def declared_axes(inputs: Sequence[TensorSpec]) -> AxisOrder | None:
    """Returns where the first input has its channels; `None` where its shape does not show it."""
    if not inputs or len(inputs[0].shape) != 4:
        return None
    first, last = inputs[0].shape[1], inputs[0].shape[3]
    if (first == _CHANNELS) == (last == _CHANNELS):
        return None
    return AxisOrder.NCHW if first == _CHANNELS else AxisOrder.NHWC


def declared_size(
    inputs: Sequence[TensorSpec], *, default: AxisOrder = AxisOrder.NCHW
) -> tuple[int, int] | None:
    """Returns height and width in pixels of the first input; `None` where they may vary.

    Args:
        inputs: What the network takes.
        default: Where the channels are taken to be if the shape does not show it.
    """
    if not inputs or len(inputs[0].shape) != 4:
        return None
    axes = declared_axes(inputs) or default
    height, width = inputs[0].shape[2:] if axes is AxisOrder.NCHW else inputs[0].shape[1:3]
    return None if height is None or width is None else (height, width)


def check_channels(spec: TensorSpec) -> None:
    """Checks that an input can take images in colour, before its layout is looked for.

    Args:
        spec: The first input.

    Raises:
        ModelError: It takes images of another number of channels, such as grey ones.
    """
    if len(spec.shape) != 4 or _CHANNELS in (spec.shape[1], spec.shape[3]):
        return
    few = [side for side in (spec.shape[1], spec.shape[3]) if side is not None and side <= _FEW]
    if len(few) == 1:
        what = "grey images, of one channel" if few == [1] else f"images of {few[0]} channels"
        raise ModelError(
            f"model input {spec}: the network takes {what}; expected images of {_CHANNELS} "
            "channels, RGB or BGR: export a network for colour images"
        )


def fitted_input(wanted: ImageInput, spec: TensorSpec) -> ImageInput:
    """Returns the input that a family of networks expects, with size, axes and type of this one.

    Args:
        wanted: What the family expects; its axes hold where the shape does not show it.
        spec: The input.

    Raises:
        ModelError: The input does not take images of three channels, or is of a type that
            pixels are not written in.
    """
    axes = declared_axes([spec]) or wanted.axes
    channels = None
    if len(spec.shape) == 4:
        channels = spec.shape[1 if axes is AxisOrder.NCHW else 3]
    if len(spec.shape) not in (0, 4) or channels not in (None, _CHANNELS):
        raise ModelError(
            f"model input {spec}: expected images of {_CHANNELS} channels, "
            "(batch, 3, height, width) or (batch, height, width, 3)"
        )
    if spec.dtype not in _TYPES:
        raise ModelError(
            f"model input {spec}: expected the type {', '.join(_TYPES[:-1])} or {_TYPES[-1]}; "
            "export the model with one of these"
        )
    size = declared_size([spec], default=axes)
    return replace(wanted, size=size, axes=axes, dtype=spec.dtype)


class ImagesOnly:
    """A layout whose networks take images and nothing else."""

    __slots__ = ()

    name: str

    def extra_inputs(
        self, specs: Sequence[TensorSpec], *, input_size: tuple[int, int], count: int = 1
    ) -> list[NDArray[Any]]:
        """Returns nothing: the network takes images only; see `Decoder.extra_inputs`."""
        if len(specs) > 1:
            raise ModelError(
                f"model input {specs[1]}: the layout {self.name} gives a network images only and "
                "does not know what this input expects; export the model without it"
            )
        return []
