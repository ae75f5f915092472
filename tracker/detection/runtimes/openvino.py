"""OpenVINO for networks of this package: the `.tflite` that LiteRT runs, read by OpenVINO.

TensorFlow is needed only where LiteRT needs it: to export a network that was not exported yet.
Compiling takes about a second, LiteRT starts in a tenth of one.
"""

import tempfile
from pathlib import Path

import numpy as np

from tracker.detection.runtimes.base import InputDetections, RuntimeRequest
from tracker.detection.runtimes.litert import (
    exported_network,
    joined,
    map_parts,
    raw_detections,
    suppressed_detections,
)
from tracker.inference.litert import open_interpreter
from tracker.inference.openvino_network import OpenVinoNetwork, load_openvino
from tracker.util.arrays import UInt8Array
from tracker.util.stopwatch import Stopwatch


class OpenVinoRuntime:
    """Runs one network at one input size on the CPU, image by image.

    Args:
        request: What to run; with `half` it computes in bfloat16.
        cache_dir: Folder of exported networks; `None` takes the platform's.

    Raises:
        DependencyError: OpenVINO, or TensorFlow where an export is needed, cannot be loaded.
        ModelError: OpenVINO does not accept the network.
        ConfigError: `half`, and the CPU has no bfloat16.
    """

    def __init__(self, request: RuntimeRequest, *, cache_dir: Path | None = None) -> None:
        load_openvino()
        model = exported_network(request, cache_dir=cache_dir)
        self._request = request
        # OpenVINO reads a .tflite from files only. Windows keeps a file that is still in use.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "exported.tflite"
            path.write_bytes(model)
            self._network = OpenVinoNetwork(path, threads=request.threads, half=request.half)
            self._network.run([np.zeros((1, *request.input_size, 3), np.uint8)])  # compiles it
        self._places = _output_places(model, self._network, len(request.network.heads))

    def run(self, batch: UInt8Array, stopwatch: Stopwatch) -> list[InputDetections]:
        """Returns what was found in each input of a batch `(B, h, w, 3)` uint8 RGB."""
        return [self._run_one(batch[row : row + 1], stopwatch) for row in range(len(batch))]

    def _run_one(self, image: UInt8Array, stopwatch: Stopwatch) -> InputDetections:
        with stopwatch.measure("infer"):
            outputs = self._network.run([image])
            maps = [joined([outputs[place][0] for place in parts]) for parts in self._places]
            found = raw_detections(maps, self._request)
        with stopwatch.measure("nms"):
            return suppressed_detections(found, self._request)


def _output_places(model: bytes, network: OpenVinoNetwork, count: int) -> list[list[int]]:
    """Returns the places among a network's outputs of each map, or of its parts.

    OpenVINO knows the names of tensors only; LiteRT also knows their names in the signature.
    """
    interpreter = open_interpreter(model, threads=1, advice="try runtime litert")
    names = [spec.name for spec in network.outputs]
    return [
        [names.index(tensor["name"]) for tensor in parts] for parts in map_parts(interpreter, count)
    ]
