"""XLA: pixels to final boxes as one compiled TensorFlow function, on CPU or GPU.

Made for GPUs: on a 2-core AVX2 CPU it needs 837 ms for yolo-fastest-1.1-xl at 640x480, where LiteRT
needs 57 ms.
"""

import logging
from typing import Any

import numpy as np

from tracker.detection.compiled_graph import detection_graph
from tracker.detection.runtimes.base import InputDetections, RuntimeRequest
from tracker.inference.captured_stderr import native_output_logged
from tracker.inference.devices import Device, tensorflow_device
from tracker.inference.tensorflow import load_tensorflow
from tracker.util.arrays import UInt8Array
from tracker.util.stopwatch import Stopwatch

logger = logging.getLogger(__name__)


class KerasXlaRuntime:
    """Runs one network at one input size; compiles for batches of one when it is made.

    A larger batch compiles at its first use. A batch that is smaller than one that was compiled is
    filled up to it, so that the last frames of a video compile nothing. With `half` the layers of
    the network compute in float16; its outputs, decoding and suppression stay float32.

    Args:
        request: What to run.
        device: Where to run it.

    Raises:
        DependencyError: TensorFlow cannot be loaded.
        DeviceError: The requested GPU is not available.
        ConfigError: TensorFlow is already running with another number of threads.
    """

    def __init__(self, request: RuntimeRequest, *, device: Device) -> None:
        self._tf = load_tensorflow()
        self._device = tensorflow_device(device, threads=request.threads)
        if "CPU" in self._device:
            logger.warning(
                "runtime xla is slow on CPUs; runtime litert gives the same boxes faster"
            )
        self._input_size = request.input_size
        self._compiled_sizes: set[int] = set()
        with native_output_logged(), self._tf.device(self._device):
            self._function = self._tf.function(detection_graph(request), jit_compile=True)
            self._execute(np.zeros((1, *request.input_size, 3), dtype=np.uint8))

    def run(self, batch: UInt8Array, stopwatch: Stopwatch) -> list[InputDetections]:
        """Returns what was found in each input of a batch `(B, h, w, 3)` uint8 RGB.

        Suppression is part of the graph: its time is within "infer".
        """
        with stopwatch.measure("infer"):
            wanted = len(batch)
            size = min((n for n in self._compiled_sizes if n >= wanted), default=wanted)
            if wanted < size:
                padding = np.zeros((size - wanted, *batch.shape[1:]), dtype=np.uint8)
                batch = np.concatenate([batch, padding])
            with self._tf.device(self._device):
                boxes, scores, classes, count = self._execute(batch)
        return [
            InputDetections(boxes[row, :n], scores[row, :n], classes[row, :n])
            for row, n in enumerate(count[:wanted])
        ]

    def _execute(self, batch: UInt8Array) -> list[Any]:
        outputs = [output.numpy() for output in self._function(self._tf.constant(batch))]
        self._compiled_sizes.add(len(batch))
        return outputs
