"""LiteRT: the network as a `.tflite`, exported once and kept in the cache.

The graph takes uint8 and gives raw maps; decoding and suppression run beside it in NumPy, on the
few cells that matter. Measured on a 2-core AVX2 machine with yolo-fastest-1.1-xl at 640x480: 57 ms
a frame (104 ms on one core), of which decoding beside takes 0.4 ms; all other splits are within 2
ms, and inside the graph Keras' `argmax` does not convert. With a warm cache neither Keras nor
TensorFlow is loaded.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tracker.detection.export import part_names
from tracker.detection.nms import nms
from tracker.detection.runtimes.base import (
    InputDetections,
    RuntimeRequest,
    YoloNetwork,
)
from tracker.detection.yolo_decode import decode_candidates
from tracker.inference.cache import (
    cache_key,
    cached,
    exported_path,
    library_version,
)
from tracker.inference.litert import available_cores, export_network, open_interpreter
from tracker.util.arrays import Float32Array, UInt8Array
from tracker.util.stopwatch import Stopwatch

_FORMAT = 1
"""Raised whenever the exported graph changes: old cached files are then not found any more."""

_ADVICE = "try runtime xla"


class LiteRtRuntime:
    """Runs one network at one input size on the CPU, image by image.

    Args:
        request: What to run.
        cache_dir: Folder of exported networks; `None` takes the platform's.

    Raises:
        DependencyError: LiteRT, or TensorFlow where an export is needed, cannot be loaded.
        ModelError: LiteRT does not accept the network.
    """

    def __init__(self, request: RuntimeRequest, *, cache_dir: Path | None = None) -> None:
        network, size = request.network, request.input_size
        self._request = request
        self._interpreter = open_interpreter(
            exported_network(request, cache_dir=cache_dir),
            threads=request.threads or available_cores(),
            advice=_ADVICE,
            input_shape=None if network.exported is None else (1, *size, 3),
        )
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [
            [int(tensor["index"]) for tensor in parts]
            for parts in map_parts(self._interpreter, len(network.heads))
        ]

    def run(self, batch: UInt8Array, stopwatch: Stopwatch) -> list[InputDetections]:
        """Returns what was found in each input of a batch `(B, h, w, 3)` uint8 RGB."""
        return [self._run_one(image, stopwatch) for image in batch]

    def _run_one(self, image: UInt8Array, stopwatch: Stopwatch) -> InputDetections:
        with stopwatch.measure("infer"):
            self._interpreter.set_tensor(self._input, image[None])
            self._interpreter.invoke()
            # Views of the interpreter's memory: they must not outlive this call, and do not, since
            # decoding copies the cells that it picks.
            maps = [
                joined([self._interpreter.tensor(index)()[0] for index in parts])
                for parts in self._outputs
            ]
            found = raw_detections(maps, self._request)
            del maps
        with stopwatch.measure("nms"):
            return suppressed_detections(found, self._request)


def exported_network(request: RuntimeRequest, *, cache_dir: Path | None) -> bytes:
    """Returns the `.tflite` of a network, exported and kept in the cache where there is none.

    Args:
        request: The network, and the input size that an export is for.
        cache_dir: Folder of exported networks; `None` takes the platform's.

    Raises:
        DependencyError: TensorFlow, where an export is needed, cannot be loaded.
        ModelError: The network holds an operation that LiteRT does not know.
    """
    network, size = request.network, request.input_size
    if network.exported is not None:
        return network.exported
    path = exported_path(cache_dir, _key(network, size))
    return cached(path, lambda: export_litert(network, size))


def raw_detections(maps: list[Float32Array], request: RuntimeRequest) -> InputDetections:
    """Returns the boxes of raw maps `(h', w', channels)`, in the order of the heads.

    Boxes of classes that are not allowed have score 0.
    """
    boxes, scores, classes = decode_candidates(
        maps,
        request.network.heads,
        input_size=request.input_size,
        confidence=request.nms.confidence,
    )
    return InputDetections(
        boxes, np.where(request.allowed[classes], scores, np.float32(0)), classes
    )


def suppressed_detections(found: InputDetections, request: RuntimeRequest) -> InputDetections:
    """Returns the detections that suppression keeps, by falling score."""
    kept = nms(found.boxes, found.scores, found.classes, settings=request.nms)
    return InputDetections(found.boxes[kept], found.scores[kept], found.classes[kept])


def export_litert(network: YoloNetwork, input_size: tuple[int, int]) -> bytes:
    """Returns the `.tflite` of a network: uint8 `(1, h, w, 3)` to its raw maps, batch 1.

    Args:
        network: What to export.
        input_size: Height and width of the input in pixels.

    Raises:
        DependencyError: TensorFlow cannot be loaded.
        ModelError: The network holds an operation that LiteRT does not know.
    """

    def named(maps: Any) -> dict[str, Any]:
        maps = maps if isinstance(maps, list | tuple) else [maps]
        return {_map_name(index): tensor for index, tensor in enumerate(maps)}

    return export_network(
        lambda: network.build(input_size), shape=(1, *input_size, 3), outputs=named, advice=_ADVICE
    )


def _key(network: YoloNetwork, input_size: tuple[int, int]) -> str:
    return cache_key(
        {
            "format": _FORMAT,
            "model": network.digest,
            "input_size": input_size,
            "versions": [library_version(name) for name in ("ai-edge-litert", "keras")],
            "tensorflow": [library_version(name) for name in ("tensorflow", "tensorflow-cpu")],
        }
    )


def map_parts(interpreter: Any, count: int) -> list[list[Any]]:
    """Returns LiteRT's details of the output tensors of each map: one tensor, or its parts.

    The converter keeps the names of outputs, not their order.

    Args:
        interpreter: Of an exported network.
        count: Maps.
    """
    details = interpreter.get_signature_runner().get_output_details()
    return [
        [details[name] for name in (_map_name(index), *part_names(index)) if name in details]
        for index in range(count)
    ]


def joined(parts: list[Float32Array]) -> Float32Array:
    """Returns a map from its parts along the channels."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def _map_name(index: int) -> str:
    return f"map_{index}"
