"""darknet's forward pass in plain NumPy: an independent reference for what OpenCV lacks.

Written from darknet's formulas (`im2col`, `forward_maxpool_layer`, `reorg_cpu`), in its `(C, H, W)`
order.
"""

import numpy as np

from tracker.models.darknet import sections
from tracker.models.darknet.sections import Activation


def forward(cfg: sections.DarknetCfg, floats: np.ndarray, image: np.ndarray) -> list[np.ndarray]:
    """Returns raw maps `(h, w, C)` of one image `(H, W, 3)`."""
    outputs: list[np.ndarray] = []
    maps = []
    x = image.transpose(2, 0, 1).astype(np.float64)
    for layer in cfg.layers:
        if isinstance(layer, sections.Convolution):
            x, floats = convolution(layer, x, floats)
        elif isinstance(layer, sections.MaxPool):
            x = maxpool(layer, x)
        elif isinstance(layer, sections.Route):
            parts = [np.split(outputs[i], layer.groups)[layer.group_id] for i in layer.layers]
            x = np.concatenate(parts)
        elif isinstance(layer, sections.Shortcut):
            x = activate(layer.activation, x + sum(outputs[i] for i in layer.layers))
        elif isinstance(layer, sections.Upsample):
            x = x.repeat(layer.stride, axis=1).repeat(layer.stride, axis=2)
        elif isinstance(layer, sections.Reorg):
            x = reorg(x, layer.stride)
        elif isinstance(layer, sections.Detection):
            maps.append(x.transpose(1, 2, 0))
        outputs.append(x)
    assert floats.size == 0
    return maps


def convolution(
    layer: sections.Convolution, x: np.ndarray, floats: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    f, size = layer.filters, layer.size
    vectors = floats[: f * (4 if layer.batch_normalize else 1)].reshape(-1, f)
    per_group = x.shape[0] // layer.groups
    kernel = floats[vectors.size :][: f * per_group * size**2]
    rest = floats[vectors.size + kernel.size :]
    kernel = kernel.reshape(f, per_group, size, size)
    border = layer.padding * layer.dilation
    height = (x.shape[1] + 2 * layer.padding - size) // layer.stride_y + 1
    width = (x.shape[2] + 2 * layer.padding - size) // layer.stride_x + 1
    padded = np.pad(x, ((0, 0), (border, border), (border, border)))
    y = np.zeros((f, height, width))
    for out in range(f):
        group = out // (f // layer.groups)
        source = padded[group * per_group : (group + 1) * per_group]
        for row in range(height):
            for column in range(width):
                top, left = row * layer.stride_y, column * layer.stride_x
                reach = layer.dilation * (size - 1) + 1
                step = layer.dilation
                window = source[:, top : top + reach : step, left : left + reach : step]
                y[out, row, column] = (window * kernel[out]).sum()
    bias = vectors[0][:, None, None]
    if layer.batch_normalize:
        scale, mean, variance = vectors[1:, :, None, None]
        y = (y - mean) / np.sqrt(variance + 1e-6) * scale
    return activate(layer.activation, y + bias), rest


def maxpool(layer: sections.MaxPool, x: np.ndarray) -> np.ndarray:
    channels, height, width = x.shape
    rows = (height + layer.padding - layer.size) // layer.stride_y + 1
    columns = (width + layer.padding - layer.size) // layer.stride_x + 1
    y = np.full((channels, rows, columns), -np.inf)
    offset = -(layer.padding // 2)
    for row in range(rows):
        for column in range(columns):
            for n in range(layer.size):
                for m in range(layer.size):
                    i = offset + row * layer.stride_y + n
                    j = offset + column * layer.stride_x + m
                    if 0 <= i < height and 0 <= j < width:
                        y[:, row, column] = np.maximum(y[:, row, column], x[:, i, j])
    return y


def reorg(x: np.ndarray, stride: int) -> np.ndarray:
    """`reorg_cpu` with forward = 0, index by index."""
    c, h, w = x.shape
    flat, out = x.ravel(), np.empty(x.size)
    out_c = c // stride**2
    for k in range(c):
        for j in range(h):
            for i in range(w):
                offset = k // out_c
                w2 = i * stride + offset % stride
                h2 = j * stride + offset // stride
                out[i + w * (j + h * k)] = flat[w2 + w * stride * (h2 + h * stride * (k % out_c))]
    return out.reshape(c * stride**2, h // stride, w // stride)


def activate(activation: Activation, x: np.ndarray) -> np.ndarray:
    sigmoid = 1 / (1 + np.exp(-x))
    return {
        Activation.LINEAR: x,
        Activation.LEAKY: np.where(x > 0, x, 0.1 * x),
        Activation.MISH: x * np.tanh(np.log1p(np.exp(x))),
        Activation.SWISH: x * sigmoid,
        Activation.RELU: np.maximum(x, 0),
        Activation.RELU6: np.clip(x, 0, 6),
        Activation.LOGISTIC: sigmoid,
    }[activation]
