"""This package's detector in plain PyTorch: the same layers and weights, torchvision's NMS.

For `gpu.py` to time: networks with anchor-free heads. Needs `torch` and `torchvision`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torchvision
from torch import nn
from torch.nn import functional

from tracker.detection.compiled_graph import detection_graph
from tracker.detection.runtimes.base import RuntimeRequest
from tracker.models.heads import AnchorFreeHead

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ABSOLUTE_PX = 0.1
"""Boxes of both may differ by this: their convolutions sum in different orders."""


class SameAsKeras(nn.Module):
    """The layers of a Keras network, run in its order on `(B, 3, H, W)`.

    Args:
        network: The network.
        exact: Whether convolutions of stride 2 pad as Keras does, after the image only, which
            takes a layer of its own; else on both sides as PyTorch does, at no cost.
    """

    def __init__(self, network: Any, *, exact: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self.inputs: list[list[int]] = []
        places: dict[int, int] = {id(network.inputs[0]): 0}
        padded: set[int] = set()
        for layer in network.layers[1:]:
            node = layer._inbound_nodes[0]
            (output,) = node.output_tensors
            if type(layer).__name__ == "ZeroPadding2D":
                # The next convolution pads itself.
                places[id(output)] = places[id(node.input_tensors[0])]
                padded.add(id(output))
                continue
            self.inputs.append([places[id(tensor)] for tensor in node.input_tensors])
            pads = id(node.input_tensors[0]) in padded
            self.layers.append(_module(layer, pads=pads, exact=exact))
            places[id(output)] = len(self.layers)
        self.outputs = [places[id(tensor)] for tensor in network.outputs]

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Returns the raw maps `(B, channels, h, w)`."""
        values = [pixels]
        for layer, places in zip(self.layers, self.inputs, strict=True):
            values.append(layer(*(values[place] for place in places)))
        return [values[place] for place in self.outputs]


class Call(nn.Module):
    """A function as a layer."""

    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *parts: torch.Tensor) -> torch.Tensor:
        """Returns what the function gives."""
        return self.function(*parts)


class Scale(nn.Module):
    """A factor and an offset for each channel."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        for name in ("scale", "offset"):
            value = torch.tensor(getattr(layer, name)).reshape(1, -1, 1, 1)
            self.register_buffer(name, value)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the scaled channels."""
        return x * self.scale + self.offset


def _module(layer: Any, *, pads: bool, exact: bool) -> nn.Module:
    """Returns what does the same; `pads` where zeros go around its input first."""
    makers: dict[str, Callable[[], nn.Module]] = {
        "Conv2D": lambda: _convolution(layer, pads=pads, exact=exact),
        "DepthwiseConv2D": lambda: _convolution(layer, pads=pads, exact=exact),
        "BatchNormalization": lambda: _batch_norm(layer),
        "MaxPooling2D": lambda: _pooling(layer),
        "Rescaling": lambda: Scale(layer),
        "ReLU": lambda: nn.ReLU(inplace=True),
        "LeakyReLU": lambda: nn.LeakyReLU(layer.negative_slope, inplace=True),
        "UpSampling2D": lambda: nn.Upsample(scale_factor=2),
        "Add": lambda: Call(torch.add),
        "Concatenate": lambda: Call(lambda *parts: torch.cat(parts, dim=1)),
        "ChannelShuffle": lambda: nn.ChannelShuffle(layer.groups),
        "ChannelGroup": lambda: Call(lambda x: x.chunk(layer.groups, dim=1)[layer.group_id]),
    }
    return makers[type(layer).__name__]()


def _pooling(layer: Any) -> nn.Module:
    (side, _), (stride, _) = layer.pool_size, layer.strides
    if stride == 1:
        return nn.MaxPool2d(side, 1, padding=side // 2)
    # What Keras adds lies after the image, and so does what `ceil_mode` reads.
    return nn.MaxPool2d(side, stride, ceil_mode=True)


def _batch_norm(layer: Any) -> nn.Module:
    norm = nn.BatchNorm2d(layer.gamma.shape[0], eps=layer.epsilon)
    names = ("weight", "bias", "running_mean", "running_var")
    values = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
    for name, value in zip(names, values, strict=True):
        getattr(norm, name).data.copy_(torch.tensor(np.asarray(value)))
    return norm


def _convolution(layer: Any, *, pads: bool, exact: bool) -> nn.Module:
    kernel, side, stride = np.asarray(layer.kernel), layer.kernel_size[0], layer.strides[0]
    by_channel = type(layer).__name__ == "DepthwiseConv2D"
    kernel = kernel.transpose(2, 3, 0, 1) if by_channel else kernel.transpose(3, 2, 0, 1)
    same = layer.padding == "same"
    shifted = exact and same and stride == 2
    one = nn.Conv2d(
        len(kernel) if by_channel else kernel.shape[1],
        len(kernel),
        side,
        stride,
        padding=side // 2 if (pads or same) and not shifted else 0,
        groups=len(kernel) if by_channel else 1,
        bias=layer.use_bias,
    )
    one.weight.data = torch.tensor(kernel)
    if layer.use_bias:
        one.bias.data = torch.tensor(np.asarray(layer.bias))
    return nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), one) if shifted else one


class Detector(nn.Module):
    """Pixels to boxes, scores and classes of all cells."""

    def __init__(self, request: RuntimeRequest, *, exact: bool, half: bool) -> None:
        super().__init__()
        self.network = SameAsKeras(request.network.build(request.input_size), exact=exact)
        self.type = torch.float16 if half else torch.float32
        self.network.to(DEVICE, self.type, memory_format=torch.channels_last).eval()
        self.side = request.input_size[0]

    def maps(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Returns the raw maps of pixels `(B, h, w, 3)` uint8."""
        # Seen with channels first, these are channels last already.
        return self.network(pixels.permute(0, 3, 1, 2).to(self.type) / 255)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Returns `(B, N, 4)`, `(B, N)` and `(B, N)` of pixels `(B, h, w, 3)` uint8."""
        parts = []
        for raw in self.maps(pixels):
            rows, columns = raw.shape[2:]
            cell = self.side / rows
            values = raw.float().permute(0, 2, 3, 1).reshape(len(raw), rows * columns, -1)
            y, x = torch.meshgrid(
                torch.arange(rows, device=raw.device),
                torch.arange(columns, device=raw.device),
                indexing="ij",
            )
            centre = (torch.stack([x, y], dim=-1).reshape(-1, 2) + 0.5) * cell
            distance = functional.softplus(values[..., :4]) * cell
            boxes = torch.cat([centre - distance[..., :2], centre + distance[..., 2:]], dim=-1)
            best, classes = values[..., 4:].max(dim=-1)
            parts.append((boxes, best.sigmoid(), classes))
        boxes, scores, classes = (torch.cat(one, dim=1) for one in zip(*parts, strict=True))
        return boxes, scores, classes


def torch_programs(
    request: RuntimeRequest, *, half: bool, compiled: bool, check: Any
) -> tuple[Callable[[Any], Any], Callable[[Any], Callable[[], Any]]]:
    """Returns the whole program, and what makes a run of the network alone for given pixels.

    Args:
        request: What to run.
        half: In float16.
        compiled: By `torch.compile`.
        check: `(B, h, w, 3)` uint8, for which the boxes are compared with those of Keras.

    Raises:
        SystemExit: The boxes differ, or its heads are not anchor-free.
    """
    torch.set_grad_enabled(False)
    if not all(isinstance(head, AnchorFreeHead) for head in request.network.heads):
        raise SystemExit(
            "expected anchor-free heads, which PyTorch decodes here, got others; give --detector a "
            ".keras that `tracker train detector` wrote"
        )
    _compare(request, check)
    detector = Detector(request, exact=False, half=half)
    detect = torch.compile(detector) if compiled else detector
    maps = torch.compile(detector.maps) if compiled else detector.maps

    def network_run(pixels: Any) -> Callable[[], Any]:
        there = torch.from_numpy(pixels).to(DEVICE)

        def run() -> None:
            maps(there)
            if DEVICE.type == "cuda":
                torch.cuda.synchronize()

        return run

    return lambda pixels: _detections(detect, pixels, request), network_run


def _detections(detect: Callable[[Any], Any], pixels: Any, request: RuntimeRequest) -> Any:
    """Returns lists of boxes, scores and classes by image, and their numbers."""
    boxes, scores, classes = detect(torch.from_numpy(pixels).to(DEVICE))
    kept: list[list[Any]] = [[], [], [], []]
    for some_boxes, some_scores, some_classes in zip(boxes, scores, classes, strict=True):
        likely = some_scores > request.nms.confidence
        rows = (some_boxes[likely], some_scores[likely], some_classes[likely])
        index = torchvision.ops.batched_nms(*rows, request.nms.iou)[: request.nms.max_detections]
        for to, one in zip(kept, rows, strict=False):
            to.append(one[index].cpu().numpy())
        kept[3].append(len(index))
    return kept


def _compare(request: RuntimeRequest, pixels: Any) -> None:
    """Ends the program if the layers here find other boxes than Keras does."""
    torch.backends.cudnn.allow_tf32 = False
    boxes, _, _, counts = (np.asarray(one) for one in detection_graph(request)(pixels))
    found = _detections(Detector(request, exact=True, half=False), pixels, request)
    torch.backends.cudnn.allow_tf32 = True
    for wanted, count, got in zip(boxes, counts, found[0], strict=True):
        if len(got) != count or not np.allclose(got, wanted[:count], atol=ABSOLUTE_PX):
            raise SystemExit(f"boxes differ: Keras {wanted[:count]}, PyTorch {got}")


def device_name() -> str:
    """Returns the name of what PyTorch computes on."""
    name = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "CPU"
    return f"{name}, torch {torch.__version__}"
