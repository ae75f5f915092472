"""Tiny darknet networks, their weights and an input, all from formulas.

Only NumPy is imported, so that the recorder runs without this package.
"""

import struct
from dataclasses import dataclass

import numpy as np

REAL_MODELS = (
    "yolo-fastest-1.0_coco/yolo-fastest",
    "yolo-fastest-1.0_coco/yolo-fastest-xl",
    "yolo-fastest-1.1_body/yolo-fastest-1.1_body",
    "yolo-fastest-1.1_coco/yolo-fastest-1.1",
    "yolo-fastest-1.1_coco/yolo-fastest-1.1-xl",
)
SAMPLES = 500


@dataclass(frozen=True)
class Conv:
    """Shape of one convolution's numbers, counted by hand and not by a reader."""

    filters: int
    channels_per_group: int
    size: int
    normalized: bool = True


@dataclass(frozen=True)
class Case:
    """A cfg text and the convolutions that it should have."""

    cfg: str
    convs: tuple[Conv, ...]
    height: int
    width: int


def noise(count: int, seed: int) -> np.ndarray:
    """Returns `(count,)` float64 in [0, 1): a 32-bit integer hash, the same everywhere."""
    x = np.arange(count, dtype=np.uint64) + np.uint64(seed * 1_000_003 + 1)
    mask = np.uint64(0xFFFFFFFF)
    for multiplier in (0x85EBCA6B, 0xC2B2AE35):
        x = ((x ^ (x >> np.uint64(16))) * np.uint64(multiplier)) & mask
    return (x ^ (x >> np.uint64(16))) / 2.0**32


def image(height: int, width: int) -> np.ndarray:
    """Returns `(1, H, W, 3)` float32 in [0, 1]: waves, an edge, and noise."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    waves = np.sin(x * 0.11 + c) + np.cos(y * 0.07 - c) + np.where(x > y, 0.5, -0.5)
    texture = noise(height * width * 3, 7).reshape(height, width, 3)
    return (0.5 + 0.15 * waves + 0.1 * (texture - 0.5)).astype(np.float32)[None]


def weights_file(convs: tuple[Conv, ...], version: tuple[int, int, int] = (0, 2, 5)) -> bytes:
    """Returns the bytes of a weights file: 20 bytes of header (16 before version 0.2), floats."""
    seen = struct.pack("<Q" if version[0] * 10 + version[1] >= 2 else "<I", 64)
    parts = [weights(conv, index) for index, conv in enumerate(convs)]
    return struct.pack("<3i", *version) + seen + np.concatenate(parts).tobytes()


def weights(conv: Conv, seed: int) -> np.ndarray:
    """Returns the float32 numbers of a convolution in file order."""
    fan_in = conv.channels_per_group * conv.size**2
    f = conv.filters
    draws = noise(f * (4 + fan_in), seed)
    biases = draws[:f] - 0.5
    scales, variances = 0.5 + draws[f : 2 * f], 0.05 + draws[3 * f : 4 * f]
    means = draws[2 * f : 3 * f] - 0.5
    kernel = (draws[4 * f :] - 0.5) * np.sqrt(12.0 / fan_in)
    vectors = [biases, scales, means, variances] if conv.normalized else [biases]
    return np.concatenate([*vectors, kernel]).astype(np.float32)


def sample_indices(size: int) -> np.ndarray:
    """Returns which values of a flattened map a golden keeps."""
    return np.linspace(0, size - 1, SAMPLES).astype(np.int64)


def conv(filters: int, size: int = 3, activation: str = "leaky", **options: object) -> str:
    """Returns a `[convolutional]` section, normalised unless `batch_normalize=0` is given."""
    values: dict[str, object] = {"batch_normalize": 1, "stride": 1, "pad": 1, **options}
    return _section("convolutional", filters=filters, size=size, activation=activation, **values)


def _section(kind: str, **options: object) -> str:
    return f"[{kind}]\n" + "".join(f"{name}={value}\n" for name, value in options.items())


def net(height: int, width: int) -> str:
    """Returns a `[net]` section."""
    return f"[net]\nbatch=1\nheight={height}\nwidth={width}\nchannels=3\nlearning_rate=0.001\n"


def head_conv(filters: int, activation: str = "linear") -> str:
    """Returns the convolution before a head."""
    return f"[convolutional]\nsize=1\nstride=1\npad=1\nfilters={filters}\nactivation={activation}\n"


def maxpool(size: int, stride: int, **options: object) -> str:
    """Returns a `[maxpool]` section."""
    return _section("maxpool", size=size, stride=stride, **options)


def route(layers: str, **options: object) -> str:
    """Returns a `[route]` section."""
    return _section("route", layers=layers, **options)


def shortcut(layers: str, activation: str = "linear") -> str:
    """Returns a `[shortcut]` section."""
    return f"[shortcut]\nfrom={layers}\nactivation={activation}\n"


UPSAMPLE = "[upsample]\nstride=2\n"
REGION = (
    "[region]\nanchors=1.3,1.7, 3.2,4.0\nbias_match=1\nclasses=3\ncoords=4\nnum=2\nsoftmax=1\n"
    "jitter=.2\nthresh=.6\n"
)


def yolo(mask: str, **options: object) -> str:
    """Returns a `[yolo]` section with four anchors and three classes."""
    extra = "".join(f"{name}={value}\n" for name, value in options.items())
    return (
        f"[yolo]\nmask={mask}\nanchors=5,7, 12,15, 20,33, 41,38\nclasses=3\nnum=4\n"
        f"ignore_thresh=.7\n{extra}"
    )


CASES = {
    "yolov2": Case(
        net(64, 64)
        + conv(8)
        + maxpool(2, 2)
        + conv(16)
        + maxpool(2, 2)
        + conv(16)
        + route("-3")  # 5: layer 2, 32x32x16
        + conv(8, 1)  # 6
        + "[reorg]\nstride=2\n"  # 7: 16x16x32
        + route("-1,-4")  # 8: layers 7 and 4
        + conv(24)
        + head_conv(16)
        + REGION,
        (
            *(Conv(8, 3, 3), Conv(16, 8, 3), Conv(16, 16, 3), Conv(8, 16, 1)),
            *(Conv(24, 48, 3), Conv(16, 24, 1, False)),
        ),
        64,
        64,
    ),
    "yolov2-tiny": Case(
        net(64, 96)
        + conv(8)
        + maxpool(2, 2)
        + conv(12)
        + maxpool(2, 2)
        + conv(16)
        + maxpool(2, 1)
        + conv(16)
        + head_conv(16)
        + REGION,
        (
            *(Conv(8, 3, 3), Conv(12, 8, 3), Conv(16, 12, 3), Conv(16, 16, 3)),
            Conv(16, 16, 1, False),
        ),
        64,
        96,
    ),
    "yolov3-tiny": Case(
        net(64, 64)
        + conv(8)
        + maxpool(2, 2)
        + conv(16)  # 2
        + maxpool(2, 2)
        + conv(16)  # 4: 16x16x16
        + maxpool(2, 2)
        + conv(24)
        + maxpool(2, 1)
        + conv(16, 1)  # 8
        + head_conv(16)
        + yolo("2,3")  # 10
        + route("-3")
        + conv(8, 1)
        + UPSAMPLE
        + route("-1, 4")
        + conv(16)
        + head_conv(16)
        + yolo("0,1"),
        (
            *(Conv(8, 3, 3), Conv(16, 8, 3), Conv(16, 16, 3), Conv(24, 16, 3), Conv(16, 24, 1)),
            *(Conv(16, 16, 1, False), Conv(8, 16, 1), Conv(16, 24, 3), Conv(16, 16, 1, False)),
        ),
        64,
        64,
    ),
    "yolov4-tiny": Case(
        net(64, 64)
        + conv(16, stride=2)
        + conv(16)
        + route("-1", groups=2, group_id=1)
        + conv(8)
        + conv(8)
        + route("-1,-2")
        + conv(16, 1)
        + route("-6,-1")
        + maxpool(2, 2)
        + head_conv(16)
        + yolo("1,2", scale_x_y="1.05", nms_kind="greedynms"),
        (
            *(Conv(16, 3, 3), Conv(16, 16, 3), Conv(8, 8, 3), Conv(8, 8, 3), Conv(16, 16, 1)),
            Conv(16, 32, 1, False),
        ),
        64,
        64,
    ),
    "csp-mish-spp": Case(
        net(64, 64)
        + conv(8, 3, "mish", stride=2)
        + conv(8, 1, "swish")
        + conv(8, 3, "mish")
        + shortcut("-3")
        + conv(8, 1, "logistic")
        + route("-1,0")
        + maxpool(5, 1)
        + route("-2")
        + maxpool(9, 1)
        + route("-1,-3,-4")
        + conv(16, 3, "mish", stride=2)
        + head_conv(16, "logistic")
        + yolo("0,1", new_coords=1, scale_x_y="2.0"),
        (
            *(Conv(8, 3, 3), Conv(8, 8, 1), Conv(8, 8, 3), Conv(8, 8, 1), Conv(16, 48, 3)),
            Conv(16, 16, 1, False),
        ),
        64,
        64,
    ),
    # Odd sizes come from windows without a border: 64 -> 62 -> 31 -> 16 -> 8.
    "grouped-odd": Case(
        net(64, 64)
        + conv(16, 3, pad=0)  # 62x62
        + maxpool(2, 2)  # 31x31
        + conv(32, 3, groups=16)  # 2: depthwise, multiplier 2
        + conv(16, 5, "relu", groups=4, stride=2)  # 3: 16x16
        + conv(16, 3, groups=16, stride=2)  # 4: 8x8, depthwise
        + "[dropout]\nprobability=.2\n"
        + shortcut("-2", "leaky")
        + maxpool(3, 2)  # 4x4
        + head_conv(16)
        + yolo("0,3"),
        (
            *(Conv(16, 3, 3), Conv(32, 1, 3), Conv(16, 8, 5), Conv(16, 1, 3)),
            Conv(16, 16, 1, False),
        ),
        64,
        64,
    ),
}
