"""Tiny ncnn networks, their weights and inputs, all from formulas.

Only NumPy is imported, so that the recorder runs without this package.
"""

import struct
from dataclasses import dataclass, field

import numpy as np

FLOAT16, BFLOAT16, INT8 = 0x01306B47, 0x01348B83, 0x000D4B38
MAGIC = "7767517"


@dataclass(frozen=True)
class Case:
    """One layer, `$` in its line standing for the counts and names of its blobs.

    `shapes` are those of its inputs in ncnn's order of axes; height and width of a blob of rank 3
    are written into its `Input` layer only where `is_fixed`.
    """

    line: str
    shapes: tuple[tuple[int, ...], ...]
    weights: bytes = b""
    outputs: tuple[str, ...] = ("out",)
    is_fixed: bool = False
    low: float = -2.0
    high: float = 2.0

    @property
    def param(self) -> str:
        names = [f"in{index}" for index in range(len(self.shapes))]
        lines = [
            f"Input input{index} 0 1 {name} {_sizes(shape, self.is_fixed)}"
            for index, (name, shape) in enumerate(zip(names, self.shapes, strict=True))
        ]
        blobs = f"{len(names)} {len(self.outputs)} {' '.join([*names, *self.outputs])}"
        return param_text(*lines, self.line.replace("$", blobs))

    def inputs(self) -> dict[str, np.ndarray]:
        """Returns the inputs by name, in ncnn's order of axes."""
        return {
            f"in{index}": values(int(np.prod(shape)), 50 + index, self.low, self.high).reshape(
                shape
            )
            for index, shape in enumerate(self.shapes)
        }


def param_text(*lines: str) -> str:
    """Returns a `.param` of layers, with the counts that it needs."""
    words = [line.split() for line in lines]
    blobs = sum(int(word[3]) for word in words)
    return "\n".join([MAGIC, f"{len(lines)} {blobs}", *lines]) + "\n"


def _sizes(shape, is_fixed):
    if len(shape) < 3:
        return " ".join(f"{key}={side}" for key, side in enumerate(reversed(shape)))
    return f"0={shape[2]} 1={shape[1]} 2={shape[0]}" if is_fixed else f"2={shape[0]}"


def values(count: int, seed: int, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    """Returns `(count,)` float32 between bounds: a 32-bit integer hash, the same everywhere."""
    x = np.arange(count, dtype=np.uint64) + np.uint64(seed * 1_000_003 + 1)
    mask = np.uint64(0xFFFFFFFF)
    for multiplier in (0x85EBCA6B, 0xC2B2AE35):
        x = ((x ^ (x >> np.uint64(16))) * np.uint64(multiplier)) & mask
    shares = (x ^ (x >> np.uint64(16))) / 2.0**32
    return (low + (high - low) * shares).astype(np.float32)


def floats(count: int, seed: int = 1, low: float = -1.0, high: float = 1.0) -> bytes:
    """Returns values without a tag."""
    return values(count, seed, low, high).tobytes()


def tagged(count: int, seed: int = 1) -> bytes:
    """Returns float32 values after their tag."""
    return struct.pack("<I", 0) + floats(count, seed)


def halves(count: int, seed: int = 1) -> bytes:
    """Returns float16 values after their tag, padded to four bytes."""
    return padded(struct.pack("<I", FLOAT16) + values(count, seed).astype("<f2").tobytes())


def brain_halves(count: int, seed: int = 1) -> bytes:
    """Returns bfloat16 values after their tag, padded to four bytes."""
    upper = (values(count, seed).view("<u4") >> 16).astype("<u2")
    return padded(struct.pack("<I", BFLOAT16) + upper.tobytes())


def from_table(count: int, seed: int = 1) -> bytes:
    """Returns indices into a table of 256 values, after a tag that is none of the others."""
    index = (np.arange(count) * 37 % 256).astype(np.uint8).tobytes()
    return padded(struct.pack("<I", 0x01020304) + floats(256, seed) + index)


def padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


_IMAGE, _ODD, _WIDE = ((2, 3, 4),), ((3, 5, 6),), ((4, 4, 6),)
_VECTOR, _MATRIX = ((5,),), ((3, 4),)


def _convolutions() -> dict[str, Case]:
    conv = "Convolution c $ 0=4 1=3 5=1 6=108"
    weights = tagged(108) + floats(4, 2)
    cases = {
        "conv": Case(conv, _ODD, weights),
        "conv pad": Case(f"{conv} 4=1", _ODD, weights),
        "conv stride pad": Case(f"{conv} 3=2 4=1", _ODD, weights),
        "conv uneven": Case(f"{conv} 3=2 13=1 4=1 14=0 15=2 16=1", _ODD, weights),
        "conv dilated": Case(f"{conv} 2=2 4=2", _ODD, weights),
        "conv dilated stride": Case(f"{conv} 2=2 4=2 3=2", _ODD, weights),
        "conv pad value": Case(f"{conv} 4=1 18=0.5", _ODD, weights),
        "conv same upper": Case(f"{conv} 4=-233 3=2", _ODD, weights),
        "conv same lower": Case(f"{conv} 4=-234 3=2", _ODD, weights, is_fixed=True),
        "conv same lower stride 1": Case("Convolution c $ 0=4 1=2 6=48 4=-234", _ODD, tagged(48)),
        "conv wide kernel": Case("Convolution c $ 0=2 1=3 11=1 4=1 14=0 6=18", _ODD, tagged(18)),
        "conv half": Case(f"{conv} 4=1", _ODD, halves(108) + floats(4, 2)),
        "conv brain half": Case(f"{conv} 4=1", _ODD, brain_halves(108) + floats(4, 2)),
        "conv table": Case(f"{conv} 4=1", _ODD, from_table(108) + floats(4, 2)),
        "conv half odd": Case("Convolution c $ 0=1 1=1 6=3 5=1", _ODD, halves(3) + floats(1, 2)),
        "conv of vector": Case("Convolution c $ 0=3 1=1 5=1 6=15", _VECTOR, tagged(15) + floats(3)),
        "conv hints": Case(f"{conv} -23330=4,3,4,3,4", _ODD, weights),
        "depthwise": Case(
            "ConvolutionDepthWise c $ 0=3 1=3 4=1 5=1 6=27 7=3", _ODD, tagged(27) + floats(3, 2)
        ),
        "depthwise multiplier": Case(
            "ConvolutionDepthWise c $ 0=6 1=3 3=2 4=1 6=54 7=3", _ODD, tagged(54)
        ),
        "depthwise uneven": Case(
            "ConvolutionDepthWise c $ 0=3 1=3 3=2 13=1 6=27 7=3", _ODD, tagged(27)
        ),
        "groups": Case(
            "ConvolutionDepthWise c $ 0=6 1=3 4=1 5=1 6=108 7=2", _WIDE, tagged(108) + floats(6, 2)
        ),
        "deconv": Case("Deconvolution c $ 0=2 1=3 5=1 6=54", _ODD, tagged(54) + floats(2)),
        "deconv stride pad": Case(
            "Deconvolution c $ 0=2 1=4 3=2 4=1 5=1 6=96", _ODD, tagged(96) + floats(2)
        ),
        "deconv output pad": Case(
            "Deconvolution c $ 0=2 1=3 3=2 4=1 18=1 5=1 6=54", _ODD, tagged(54) + floats(2)
        ),
        "deconv long stride": Case("Deconvolution c $ 0=2 1=2 3=3 6=24", _ODD, tagged(24)),
        "deconv dilated": Case("Deconvolution c $ 0=2 1=3 2=2 3=2 6=54 9=1", _ODD, tagged(54)),
        "deconv depthwise": Case(
            "DeconvolutionDepthWise c $ 0=3 1=4 3=2 4=1 6=48 7=3", _ODD, tagged(48)
        ),
        "deconv groups": Case(
            "DeconvolutionDepthWise c $ 0=6 1=3 3=2 6=108 7=2", _WIDE, tagged(108)
        ),
        "inner product": Case("InnerProduct c $ 0=2 1=1 2=10", _VECTOR, tagged(10) + floats(2, 2)),
        "inner product of image": Case(
            "InnerProduct c $ 0=2 1=1 2=48 9=1", _IMAGE, tagged(48) + floats(2, 2), is_fixed=True
        ),
        "inner product of rows": Case(
            "InnerProduct c $ 0=2 1=1 2=8", _MATRIX, halves(8) + floats(2, 2)
        ),
        "inner product of matrix": Case("InnerProduct c $ 0=2 2=24", _MATRIX, tagged(24)),
        "yolo focus as reorg": Case("Reorg c $ 0=2 1=1", _WIDE),
    }
    return cases


def _functions() -> dict[str, Case]:
    cases = {}
    for kind, params in {
        1: "",
        2: "-23310=1,0.1",
        3: "-23310=2,-0.5,0.5",
        4: "",
        5: "",
        6: "-23310=2,0.2,0.5",
    }.items():
        line = f"Convolution c $ 0=3 1=1 5=1 6=9 9={kind} {params}"
        cases[f"activation {kind}"] = Case(line, _ODD, tagged(9) + floats(3, 2))
    for line in (
        *("ReLU c $", "ReLU c $ 0=0.1", "Clip c $ 0=-0.5 1=1.5", "Clip c $ 0=0.25", "ELU c $"),
        *("ELU c $ 0=0.7", "SELU c $", "HardSwish c $", "HardSwish c $ 0=1.666667e-01 1=0.5"),
        *("HardSigmoid c $", "HardSigmoid c $ 0=1.666667e-01 1=5.000000e-01", "Swish c $"),
        *("Mish c $", "GELU c $", "GELU c $ 0=1", "TanH c $", "Softplus c $", "BNLL c $"),
        *("AbsVal c $", "Exp c $", "Exp c $ 0=2.0 1=2.0 2=1.0", "Threshold c $ 0=0.4"),
        *("Power c $ 0=2.0 1=3.0 2=1.0", "Sigmoid c $", "Dropout c $", "Dropout c $ 0=0.5"),
        *("Noop c $", "Softmax c $ 0=0", "Softmax c $ 0=1 1=1", "Softmax c $ 0=-1 1=1"),
        *("Reduction c $ 0=3", "Reduction c $ 0=0 1=1 4=1 2=0.5"),
        *("Flatten c $", "Reorg c $ 0=1", "Squeeze c $ -23303=1,0"),
    ):
        cases[line] = Case(line, _IMAGE)
    for line in ("Log c $", "Log c $ 0=2.0 1=2.0 2=1.0", "Power c $ 0=0.5"):
        cases[line] = Case(line, _IMAGE, low=0.1, high=3.0)
    return cases


def _operations() -> dict[str, Case]:
    cases = {}
    for op in range(20):
        low, high = (-0.9, 0.9) if op in {9, 10, 11, 12, 13, 14, 0, 1, 2, 3, 18, 19} else (0.1, 3.0)
        cases[f"unary {op}"] = Case(f"UnaryOp c $ 0={op}", _IMAGE, low=low, high=high)
    for op in range(12):
        cases[f"binary {op}"] = Case(f"BinaryOp c $ 0={op}", _IMAGE * 2, low=0.2, high=3.0)
        cases[f"binary scalar {op}"] = Case(
            f"BinaryOp c $ 0={op} 1=1 2=1.5", _IMAGE, low=0.2, high=3.0
        )
    return cases


def _broadcasts() -> dict[str, Case]:
    cases = {}
    for large, small in (
        *(((2, 3, 4), (2,)), ((2, 3, 4), (4,)), ((2, 3, 4), (1,)), ((3, 3, 3), (3,))),
        *(((2, 3, 4), (2, 3)), ((2, 3, 4), (2, 1)), ((2, 3, 4), (1, 3, 4)), ((2, 3, 4), (2, 1, 1))),
        *(((3, 4), (3,)), ((3, 4), (4,)), ((3, 4), (1, 4)), ((3, 3), (3,))),
    ):
        cases[f"broadcast {large} {small}"] = Case(
            "BinaryOp c $ 0=1", (large, small), is_fixed=True
        )
        cases[f"broadcast {small} {large}"] = Case(
            "BinaryOp c $ 0=1", (small, large), is_fixed=True
        )
    for params in ("0=0", "0=1", "0=2", "0=1 -23301=3,1.0,-2.0,0.5"):
        cases[f"eltwise {params}"] = Case(f"Eltwise c $ {params}", _IMAGE * 3)
    for op in range(11):
        line = f"Reduction c $ 0={op} 1=0 -23303=2,1,2 5=1"
        cases[f"reduction {op}"] = Case(line, _IMAGE, low=0.1)
    for params in ("-23303=1,0 5=1", "-23303=1,-1 5=1 4=1", "-23303=2,0,2 5=1 4=1"):
        cases[f"reduction {params}"] = Case(f"Reduction c $ 0=3 1=0 {params}", _IMAGE)
    return cases


def _pooling() -> dict[str, Case]:
    cases = {}
    for mode in range(4):
        for kind in (0, 1):
            line = f"Pooling c $ 0={kind} 1=3 2=2 5={mode}"
            cases[f"pooling {kind} {mode}"] = Case(line, _ODD, is_fixed=True)
    for params in (
        *("3=1 5=1", "3=1 5=1 6=1", "3=1 5=0", "3=1 5=0 6=1", "11=2 12=1 13=0 14=1 15=1 3=0 5=1"),
        *("4=1", "2=1 3=1 5=1"),
    ):
        for kind in (0, 1):
            cases[f"pooling {kind} {params}"] = Case(
                f"Pooling c $ 0={kind} 1=3 {'' if '2=1 ' in params else '2=2'} {params}", _ODD
            )
    for params in ("8=4 18=3", "8=1", "8=-233 18=2"):
        for kind in (0, 1):
            line = f"Pooling c $ 0={kind} 7=1 {params}"
            cases[f"adaptive {kind} {params}"] = Case(line, _ODD, is_fixed=True)
    return cases


def _interpolation() -> dict[str, Case]:
    cases = {}
    for params in (
        *("0=1 1=2.0 2=2.0", "0=2 1=2.0 2=2.0", "0=3 1=2.0 2=2.0", "0=2 1=2.0 2=2.0 6=1"),
        *("0=1 1=1.5 2=1.5", "0=2 1=1.5 2=2.5", "0=1 3=7 4=3", "0=2 3=7 4=3", "0=3 3=7 4=3"),
        *("0=2 3=7 4=3 6=1", "0=3 3=7 4=3 6=1", "0=2 1=0.5 2=0.5", "0=1 1=3.0 2=2.0"),
    ):
        cases[f"interp {params}"] = Case(f"Interp c $ {params}", _ODD)
    cases["interp of vector"] = Case("Interp c $ 0=2 3=2 4=3", _VECTOR)
    cases["interp to reference"] = Case("Interp c $ 0=2 5=1", ((2, 3, 4), (1, 5, 7)))
    return cases


def _reshapes() -> dict[str, Case]:
    cases = {}
    for order in range(6):
        cases[f"permute {order}"] = Case(f"Permute c $ 0={order}", _IMAGE)
    cases["permute matrix"] = Case("Permute c $ 0=1", _MATRIX)
    for params in ("0=-1", "0=-1 1=2", "0=4 1=-1", "0=2 1=-1 2=3"):
        cases[f"reshape {params}"] = Case(f"Reshape c $ {params}", _IMAGE)
    for params in ("0=0 1=-1", "0=0 1=0 2=-1"):
        cases[f"reshape {params}"] = Case(f"Reshape c $ {params}", _IMAGE, is_fixed=True)
    for params in ("0=2 1=3 2=2", "0=-1"):
        cases[f"reshape matrix {params}"] = Case(f"Reshape c $ {params}", _MATRIX)
    return cases


def _parts() -> dict[str, Case]:
    cases = {}
    two = ("out", "out1")
    for params in (
        *("-23300=2,1,-233", "-23300=2,-233,-233", "-23300=2,1,-233 1=1", "-23300=2,1,-233 1=2"),
        *("-23300=2,1,-233 1=-1", "-23302=1,1 1=2"),
    ):
        cases[f"slice {params}"] = Case(f"Slice c $ {params}", _IMAGE, outputs=two)
    cases["split"] = Case("Split c $", _IMAGE, outputs=two)
    for axis in (0, 1, 2, -1):
        shapes = {0: ((2, 3, 4), (1, 3, 4)), 1: ((2, 3, 4), (2, 1, 4))}.get(
            axis, ((2, 3, 4), (2, 3, 2))
        )
        cases[f"concat {axis}"] = Case(f"Concat c $ 0={axis}", shapes)
    cases["concat matrices"] = Case("Concat c $ 0=1", ((3, 4), (3, 2), (3, 1)))
    for params in (
        *("0=1 1=1 2=0 3=2 4=1 5=1", "0=1 1=1 2=1 3=-233 4=-233 5=-233"),
        *("0=1 3=-233 4=-233 5=-233 6=1", "-23309=1,1 -23310=1,-233 -23311=1,2"),
        *("-23309=2,1,0 -23310=2,2,2 -23311=2,0,1", "-23309=1,-2 -23310=1,-1 -23311=1,-1"),
    ):
        cases[f"crop {params}"] = Case(f"Crop c $ {params}", _IMAGE)
    cases["crop to reference"] = Case("Crop c $ 0=1 1=1", ((3, 5, 6), (2, 3, 4)))
    for params in (
        *("0=1 1=0 2=2 3=0 4=0 5=7.0", "0=1 1=1 2=1 3=1 4=1", "0=1 1=1 2=2 3=1 4=2"),
        "7=1 8=1 5=2.0",
    ):
        cases[f"padding {params}"] = Case(f"Padding c $ {params}", _IMAGE)
    cases["padding matrix"] = Case("Padding c $ 0=1 2=1 5=9.0", _MATRIX)
    cases["padding vector"] = Case("Padding c $ 2=1 5=9.0", _VECTOR)
    return cases


def _axes() -> dict[str, Case]:
    cases = {}
    for params in ("-23303=1,0", "-23303=1,1", "-23303=1,-1"):
        cases[f"expand matrix {params}"] = Case(f"ExpandDims c $ {params}", _MATRIX)
        cases[f"expand vector {params}"] = Case(f"ExpandDims c $ {params}", _VECTOR)
    for params, shape in (
        *(("0=1", (2, 1, 1)), ("1=1", (2, 1, 3)), ("2=1", (1, 3, 4)), ("0=1 1=1 2=1", (2, 1, 1))),
        *(("-23303=1,0", (1, 3, 4)), ("-23303=1,1", (3, 1)), ("", (1, 3, 4))),
    ):
        cases[f"squeeze {params} {shape}"] = Case(f"Squeeze c $ {params}", (shape,), is_fixed=True)
    for params in ("0=2", "0=2 1=1", "0=3"):
        cases[f"shuffle {params}"] = Case(f"ShuffleChannel c $ {params}", ((6, 2, 3),))
    for mode in (0, 1):
        cases[f"pixel shuffle {mode}"] = Case(f"PixelShuffle c $ 0=2 1={mode}", ((8, 2, 3),))
        cases[f"reorg {mode}"] = Case(f"Reorg c $ 0=2 1={mode}", _WIDE)
    return cases


def _channels() -> dict[str, Case]:
    cases = {}
    for name, shapes, count in (("", _IMAGE, 2), (" matrix", _MATRIX, 3), (" vector", _VECTOR, 5)):
        positive = floats(count, 3, 0.5, 2)
        cases[f"batch norm{name}"] = Case(
            f"BatchNorm c $ 0={count} 1=0.01",
            shapes,
            floats(count, 1) + floats(count, 2) + positive + floats(count, 4),
        )
        cases[f"scale{name}"] = Case(f"Scale c $ 0={count}", shapes, floats(count))
        cases[f"scale bias{name}"] = Case(f"Scale c $ 0={count} 1=1", shapes, floats(2 * count))
        cases[f"prelu{name}"] = Case(f"PReLU c $ 0={count}", shapes, floats(count))
        cases[f"prelu one{name}"] = Case("PReLU c $ 0=1", shapes, floats(1))
    cases["bias"] = Case("Bias c $ 0=2", _IMAGE, floats(2))
    cases["scale by input"] = Case("Scale c $ 0=-233", ((2, 3, 4), (2,)))
    cases["instance norm"] = Case("InstanceNorm c $ 0=2 1=0.01", _IMAGE, floats(4))
    cases["instance norm plain"] = Case("InstanceNorm c $ 0=2 2=0", _IMAGE)
    for params in (
        "4=1 3=2",
        "0=1 3=2",
        "0=1 4=0 3=2",
        "0=1 4=1 1=1 3=1",
        "4=1 3=2 9=1",
        "4=1 3=2 9=2",
    ):
        count = 1 if "3=1" in params else 2
        cases[f"normalize {params}"] = Case(f"Normalize c $ {params}", _IMAGE, floats(count))
    return cases


CASES = {
    **_convolutions(),
    **_functions(),
    **_operations(),
    **_broadcasts(),
    **_pooling(),
    **_interpolation(),
    **_reshapes(),
    **_parts(),
    **_axes(),
    **_channels(),
}
"""Networks of one layer by name."""


@dataclass(frozen=True)
class RealModel:
    """A published network: its path without suffix, and what of it is recorded."""

    path: str
    size: tuple[int, int]
    scale: tuple[float, float]
    outputs: tuple[str, ...] = field(default=())


_NANODET = ("cls8", "cls16", "cls32", "cls64", "dis64", "dis32", "dis16", "dis8")
_PICODET = tuple(f"save_infer_model/scale_{index}.tmp_1" for index in (0, 4, 1, 5, 2, 6, 3, 7))
REAL_MODELS = (
    RealModel("nanodet_plus/nanodet-plus-m_320", (320, 320), (-2.0, 2.0), _NANODET),
    RealModel("nanodet_plus/nanodet-plus-m_416", (256, 416), (-2.0, 2.0), _NANODET),
    RealModel("nanodet_plus/nanodet-plus-m_416_int8", (320, 320), (-2.0, 2.0), _NANODET),
    RealModel("nanodet_plus/nanodet-plus-m-1.5x_416_int8", (320, 320), (-2.0, 2.0), _NANODET),
    RealModel("picodet/picodet-s-416", (416, 416), (-2.0, 2.0), _PICODET),
    RealModel("yolox_nano/yolox_nano", (320, 416), (0.0, 255.0), ("output",)),
)
SAMPLES = 64


def image(model: RealModel) -> np.ndarray:
    """Returns `(3, H, W)` float32: waves, an edge, and noise."""
    height, width = model.size
    c, y, x = np.meshgrid(np.arange(3), np.arange(height), np.arange(width), indexing="ij")
    waves = np.sin(x * 0.11 + c) + np.cos(y * 0.07 - c) + np.where(x > y, 0.5, -0.5)
    texture = values(3 * height * width, 7).reshape(3, height, width)
    low, high = model.scale
    shares = np.clip(0.5 + 0.15 * waves + 0.05 * texture, 0, 1)
    return (low + (high - low) * shares).astype(np.float32)


def sample_indices(size: int) -> np.ndarray:
    """Returns where an output is compared: steps of a prime, the same everywhere."""
    return np.arange(SAMPLES, dtype=np.int64) * 1_299_709 % size
