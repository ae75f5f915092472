"""What a runtime is: something that takes network inputs and gives boxes.

TensorFlow is loaded only where there may be a GPU.
"""

import ctypes
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tracker.detection.nms import NmsSettings
from tracker.errors import ConfigError
from tracker.inference.devices import Device, why_no_gpu
from tracker.inference.runtime_kind import RuntimeKind
from tracker.models.files.detector_file import CONFIDENCE
from tracker.models.heads import Head
from tracker.util.arrays import BoolArray, Float32Array, Int32Array, UInt8Array
from tracker.util.stopwatch import Stopwatch

logger = logging.getLogger(__name__)


class InputDetections(NamedTuple):
    """What was found in one network input; `N` boxes by falling score.

    Attributes:
        boxes: `(N, 4)` float32 xyxy in pixels of the input.
        scores: `(N,)` float32.
        classes: `(N,)` int32.
    """

    boxes: Float32Array
    scores: Float32Array
    classes: Int32Array


@dataclass(frozen=True, slots=True)
class YoloNetwork:
    """A YOLO network that is known, but built only where that is needed.

    Attributes:
        heads: What its raw maps mean, in the order of its outputs.
        class_count: `C`.
        stride: Both sides of its input have to be multiples of this.
        long_side: Long side in pixels of the input that it was made for.
        digest: Tells networks apart: equal digests mean equal structure and weights.
        build: Returns the `keras.Model` for an input height and width: float32 `(B, h, w, 3)` RGB
            in `[0, 1]` to a list of raw maps `(B, h', w', channels)`, one for each head.
        exported: The `.tflite` that `detection.export` made of it, for any input size; `None` where
            there is none: LiteRT then exports `build`'s network for the input size at hand.
        confidence: Score above which its detections count, by default.
        stretch: Largest factor by which fitting a frame changes its aspect; 1 keeps it.
        long_side_for: Returns the long side of the input for a frame's height and width; `None`:
            `long_side` for all frames.
    """

    heads: tuple[Head, ...]
    class_count: int
    stride: int
    long_side: int
    digest: str
    build: Callable[[tuple[int, int]], Any]
    exported: bytes | None = None
    confidence: float = CONFIDENCE
    stretch: float = 1.0
    long_side_for: Callable[[tuple[int, int]], int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RuntimeRequest:
    """What a runtime is to do.

    Attributes:
        network: The network.
        input_size: Height and width of its input in pixels.
        nms: What suppression keeps.
        allowed: `(C,)` bool: boxes of other classes are dropped before suppression.
        threads: CPU threads; `None` = one for each core that this process may use.
        half: Whether the network computes in 16 bits: float16 with `XLA`, bfloat16 with `OPENVINO`.

    Raises:
        ConfigError: Fewer threads than one.
    """

    network: YoloNetwork
    input_size: tuple[int, int]
    nms: NmsSettings
    allowed: BoolArray
    threads: int | None = None
    half: bool = False

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"threads: expected at least 1, got {self.threads}")


class DetectionRuntime(Protocol):
    """Runs one network at one input size."""

    def run(self, batch: UInt8Array, stopwatch: Stopwatch) -> list[InputDetections]:
        """Returns what was found in each input of a batch.

        Args:
            batch: `(B, h, w, 3)` uint8 RGB.
            stopwatch: Gets the seconds of "infer" and, where it is apart, "nms".
        """
        ...


def choose_runtime(kind: RuntimeKind, device: Device) -> RuntimeKind:
    """Returns `LITERT`, `XLA` or `OPENVINO`: the runtime of a network of this package.

    TensorFlow, which takes seconds to load, is asked for GPUs only where there may be one.
    `AUTO` is never OpenVINO, which gains little in float32 and starts more slowly.

    Raises:
        ConfigError: A runtime for CPUs is asked to run on a GPU, or a runtime does not run these
            networks.
    """
    if kind is RuntimeKind.ONNX_RUNTIME:
        raise ConfigError(
            "runtime onnxruntime: this detector is no ONNX file; expected auto, litert, xla or "
            "openvino"
        )
    if kind in {RuntimeKind.LITERT, RuntimeKind.OPENVINO} and device.kind == "gpu":
        raise ConfigError(
            f"runtime {kind.value}: expected device auto or cpu, got gpu; use runtime xla"
        )
    if kind is not RuntimeKind.AUTO:
        return kind
    if device.kind == "gpu":
        return RuntimeKind.XLA
    if device.kind == "cpu" or not may_have_gpu():
        return RuntimeKind.LITERT
    reason = why_no_gpu()
    if reason is None:
        return RuntimeKind.XLA
    logger.warning(
        "there is a GPU, but TensorFlow does not see it (%s): running on the CPU", reason
    )
    return RuntimeKind.LITERT


def check_half(kind: RuntimeKind) -> None:
    """Checks that a runtime can compute in 16 bits.

    Args:
        kind: What `choose_runtime` chose.

    Raises:
        ConfigError: It is LiteRT.
    """
    if kind is RuntimeKind.LITERT:
        raise ConfigError(
            "detector.network.half: expected a GPU, runtime xla or runtime openvino, got runtime "
            "litert on the CPU, which computes in float32; take an int8 network such as "
            "--detector small-int8, or leave half out"
        )


def may_have_gpu(device_folder: Path = Path("/dev")) -> bool:
    """Returns whether a GPU's device file is there and its driver's library can be loaded."""
    # /dev/dxg is the GPU of a Windows host, seen from its Linux subsystem.
    if not (any(device_folder.glob("nvidia[0-9]*")) or (device_folder / "dxg").exists()):
        return False
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True
