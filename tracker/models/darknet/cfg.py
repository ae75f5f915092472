"""Parses darknet `.cfg` files into typed sections, without Keras or TensorFlow.

Every error is a `ModelError` with the line number.
"""

from collections.abc import Callable
from os import PathLike
from types import MappingProxyType
from typing import NamedTuple

from tracker.errors import ModelError, nearest
from tracker.models.darknet import options, shapes
from tracker.models.darknet.sections import (
    Activation,
    Convolution,
    DarknetCfg,
    Detection,
    Dropout,
    Layer,
    MaxPool,
    Reorg,
    Route,
    Shortcut,
    Upsample,
)
from tracker.models.darknet.syntax import (
    RawSection,
    check_options,
    read_integer,
    read_integers,
    read_number,
    read_numbers,
    split_sections,
)
from tracker.models.files.read import read_model_file
from tracker.models.heads import BoxCoding, ClassActivation, HeadKind, YoloHead

# Bounds of integer options: far above any real network, and low enough to keep sizes representable.
_MAX_SIDE_PX = 16384
_MAX_FILTERS = 65536
_MAX_SIZE = 255
_MAX_STRIDE = 64
_MAX_CLASSES = 10000
_MAX_ANCHORS = 100

_ALIASES = {"network": "net", "conv": "convolutional", "max": "maxpool"}
_ACTIVATIONS = {activation.value: activation for activation in Activation} | {
    "silu": Activation.SWISH
}


class NetworkSettings(NamedTuple):
    """Input size, classes and stride of a network.

    Attributes:
        height: Height in pixels of the network input.
        width: Width in pixels of the network input.
        class_count: Classes of the heads.
        stride: Largest downsampling factor; input sizes are multiples of it.
    """

    height: int
    width: int
    class_count: int
    stride: int


def read_darknet_cfg(path: str | PathLike[str]) -> DarknetCfg:
    """Returns the parsed cfg file; shapes are checked by `network_settings`.

    Bytes that are not UTF-8 are harmless in comments, where other encodings are common.

    Args:
        path: The cfg file.

    Raises:
        ModelError: The file cannot be read, or see `parse_darknet_cfg`.
    """
    text = read_model_file(path, what="darknet cfg").decode("utf-8-sig", errors="replace")
    return parse_darknet_cfg(text, source=str(path))


def parse_darknet_cfg(text: str, *, source: str = "<cfg>") -> DarknetCfg:
    """Returns the typed sections of a cfg text.

    Args:
        text: The content of a cfg file.
        source: Its name in messages.

    Raises:
        ModelError: A malformed line; an unknown section or option; a value out of range; an option
            that changes the network in an unsupported way; a reference to a layer that does not
            exist; no head, or heads with different numbers of classes.
    """
    sections = split_sections(text, source=source, ignored=_ignored)
    if not sections or _kind(sections[0]) != "net":
        got = f"[{sections[0].kind}]" if sections else "no section"
        raise ModelError(f"{source}: expected [net] as the first section, got {got!r}")
    net = sections[0]
    _check(net, "width", "height", "channels")
    height, width = (
        read_integer(net, name, default=None, low=1, high=_MAX_SIDE_PX)
        for name in ("height", "width")
    )
    channels = net.options.get("channels")
    if channels is not None and channels.value == "1":
        raise net.error("channels", "the network's input is greyscale; expected 3 channels, got 1")
    read_integer(net, "channels", default=3, low=3, high=3)
    layers = tuple(_layer(section, index) for index, section in enumerate(sections[1:]))
    cfg = DarknetCfg(source, height, width, layers)
    _check_heads(cfg)
    return cfg


def network_settings(cfg: DarknetCfg) -> NetworkSettings:
    """Returns input size, number of classes and stride of a network, after checking all shapes.

    Args:
        cfg: A parsed cfg file.

    Raises:
        ModelError: Layers do not fit each other at the cfg's own input size, or that size is not
            a multiple of the stride.
    """
    stride = shapes.network_stride(cfg)
    shapes.check_input_size(cfg, height=cfg.height, width=cfg.width, stride=stride)
    shapes.infer_shapes(cfg, height=cfg.height, width=cfg.width)
    return NetworkSettings(cfg.height, cfg.width, cfg.heads[0].class_count, stride)


def _check_heads(cfg: DarknetCfg) -> None:
    if not cfg.heads:
        raise ModelError(f"{cfg.source}: expected a [yolo] or [region] section, got none")
    counts = sorted({head.class_count for head in cfg.heads})
    if len(counts) > 1:
        raise ModelError(f"{cfg.source}: expected the same classes= in all heads, got {counts}")


def _kind(section: RawSection) -> str:
    return _ALIASES.get(section.kind, section.kind)


def _ignored(kind: str) -> frozenset[str]:
    return options.IGNORED.get(_ALIASES.get(kind, kind), frozenset())


def _check(section: RawSection, *read: str) -> None:
    kind = _kind(section)
    check_options(
        section,
        read=read,
        ignored=options.IGNORED[kind],
        neutral=options.NEUTRAL[kind],
    )


def _layer(section: RawSection, index: int) -> Layer:
    kind = _kind(section)
    if kind not in _READERS:
        hint = nearest(kind, _READERS)
        raise ModelError(
            f"{section.source}:{section.line}: unknown or unsupported section "
            f"{'[' + section.kind[:40] + ']'!r}{hint}"
        )
    return _READERS[kind](section, index)


def _convolution(section: RawSection, index: int) -> Convolution:
    _check(
        section,
        *("filters", "size", "stride", "stride_x", "stride_y", "pad", "padding", "groups"),
        *("dilation", "batch_normalize", "cbn", "activation"),
    )
    size = read_integer(section, "size", default=1, low=1, high=_MAX_SIZE)
    stride_y, stride_x = _strides(section)
    padding = read_integer(section, "padding", default=0, low=0, high=_MAX_SIZE)
    if read_integer(section, "pad", default=0, low=0, high=_MAX_SIZE):
        padding = size // 2
    dilation = read_integer(section, "dilation", default=1, low=1, high=_MAX_SIZE)
    if size == 1:
        dilation = 1
    if dilation > 1 and (stride_y, stride_x) != (1, 1):
        raise section.error("dilation", f"expected stride=1 with dilation={dilation}")
    if dilation > 1 and 2 * padding != size - 1:
        # darknet computes the output size without the dilation: only here is it the true one.
        raise section.error("dilation", f"expected an odd size with pad=1, got size={size}")
    # 2 and cbn are darknet's cross-iteration normalisation; at run time it is the ordinary one.
    normalize = read_integer(section, "batch_normalize", default=0, low=0, high=2)
    cross_normalize = read_integer(section, "cbn", default=0, low=0, high=1)
    return Convolution(
        line=section.line,
        filters=read_integer(section, "filters", default=1, low=1, high=_MAX_FILTERS),
        size=size,
        stride_y=stride_y,
        stride_x=stride_x,
        padding=padding,
        groups=read_integer(section, "groups", default=1, low=1, high=_MAX_FILTERS),
        dilation=dilation,
        batch_normalize=bool(normalize or cross_normalize),
        # The default surprises, but it is darknet's.
        activation=_activation(section, Activation.LOGISTIC),
    )


def _maxpool(section: RawSection, index: int) -> MaxPool:
    _check(section, "size", "stride", "stride_x", "stride_y", "padding")
    stride_y, stride_x = _strides(section)
    stride = read_integer(section, "stride", default=1, low=1, high=_MAX_STRIDE)
    size = read_integer(section, "size", default=stride, low=1, high=_MAX_SIZE)
    # Half of it must be less than the window, or some windows would be padding only.
    padding = read_integer(section, "padding", default=size - 1, low=0, high=2 * size - 2)
    return MaxPool(section.line, size, stride_y, stride_x, padding)


def _route(section: RawSection, index: int) -> Route:
    _check(section, "layers", "groups", "group_id")
    groups = read_integer(section, "groups", default=1, low=1, high=_MAX_FILTERS)
    group_id = read_integer(section, "group_id", default=0, low=0, high=groups - 1)
    return Route(section.line, _references(section, "layers", index), groups, group_id)


def _shortcut(section: RawSection, index: int) -> Shortcut:
    _check(section, "from", "activation")
    if index == 0:
        raise section.error("from", "expected a layer before the shortcut, got none")
    activation = _activation(section, Activation.LINEAR)
    return Shortcut(section.line, _references(section, "from", index), activation)


def _upsample(section: RawSection, index: int) -> Upsample:
    _check(section, "stride")
    return Upsample(section.line, read_integer(section, "stride", default=2, low=1, high=8))


def _reorg(section: RawSection, index: int) -> Reorg:
    _check(section, "stride")
    return Reorg(section.line, read_integer(section, "stride", default=1, low=1, high=_MAX_STRIDE))


def _dropout(section: RawSection, index: int) -> Dropout:
    _check(section)
    return Dropout(section.line)


def _yolo(section: RawSection, index: int) -> Detection:
    _check(section, "mask", "anchors", "classes", "num", "scale_x_y", "new_coords")
    anchors = _anchors(section)
    mask = read_integers(section, "mask")
    for item in mask or ():
        if not 0 <= item < len(anchors):
            raise section.error("mask", f"expected 0..{len(anchors) - 1}, got {item}")
    scale_x_y = read_number(section, "scale_x_y", default=1.0)
    if scale_x_y <= 0:
        raise section.error("scale_x_y", f"expected a positive number, got {scale_x_y:g}")
    new_coords = read_integer(section, "new_coords", default=0, low=0, high=1)
    head = YoloHead(
        kind=HeadKind.YOLO,
        anchors=anchors if mask is None else tuple(anchors[item] for item in mask),
        class_count=_classes(section),
        scale_x_y=scale_x_y,
        box_coding=BoxCoding.SCALED if new_coords else BoxCoding.EXPONENTIAL,
    )
    return Detection(section.line, head)


def _region(section: RawSection, index: int) -> Detection:
    _check(section, "anchors", "classes", "num", "coords", "softmax")
    read_integer(section, "coords", default=4, low=4, high=4)
    softmax = read_integer(section, "softmax", default=0, low=0, high=1)
    head = YoloHead(
        kind=HeadKind.REGION,
        anchors=_anchors(section),
        class_count=_classes(section),
        class_activation=ClassActivation.SOFTMAX if softmax else ClassActivation.SIGMOID,
    )
    return Detection(section.line, head)


_READERS: MappingProxyType[str, Callable[[RawSection, int], Layer]] = MappingProxyType(
    {
        "convolutional": _convolution,
        "maxpool": _maxpool,
        "route": _route,
        "shortcut": _shortcut,
        "upsample": _upsample,
        "reorg": _reorg,
        "dropout": _dropout,
        "yolo": _yolo,
        "region": _region,
    }
)


def _strides(section: RawSection) -> tuple[int, int]:
    stride = read_integer(section, "stride", default=1, low=1, high=_MAX_STRIDE)
    return (
        read_integer(section, "stride_y", default=stride, low=1, high=_MAX_STRIDE),
        read_integer(section, "stride_x", default=stride, low=1, high=_MAX_STRIDE),
    )


def _activation(section: RawSection, default: Activation) -> Activation:
    option = section.options.get("activation")
    if option is None:
        return default
    if option.value in _ACTIVATIONS:
        return _ACTIVATIONS[option.value]
    known = ", ".join(_ACTIVATIONS)
    hint = nearest(option.value, _ACTIVATIONS)
    raise section.error("activation", f"expected one of {known}, got {option.value[:40]!r}{hint}")


def _references(section: RawSection, name: str, index: int) -> tuple[int, ...]:
    given = read_integers(section, name)
    if given is None:
        raise section.error(name, f"expected {name}=<layer,...>, got no such option")
    absolute = tuple(index + item if item < 0 else item for item in given)
    for item, target in zip(given, absolute, strict=True):
        if not 0 <= target < index:
            raise section.error(
                name, f"expected a layer before this one (layer {index}), got {item}"
            )
    return absolute


def _classes(section: RawSection) -> int:
    return read_integer(section, "classes", default=20, low=1, high=_MAX_CLASSES)


def _anchors(section: RawSection) -> tuple[tuple[float, float], ...]:
    count = read_integer(section, "num", default=1, low=1, high=_MAX_ANCHORS)
    values = read_numbers(section, "anchors")
    if values is None:
        raise section.error("anchors", "expected anchors=<width,height,...>, got no such option")
    if len(values) != 2 * count:
        raise section.error(
            "anchors", f"expected {2 * count} numbers (num={count} pairs), got {len(values)}"
        )
    if min(values) <= 0:
        raise section.error("anchors", f"expected positive numbers, got {min(values):g}")
    return tuple(zip(values[::2], values[1::2], strict=True))
