"""The whole detection as one function on Keras tensors, for compilation into one program.

It is written in `keras.ops`, so that every backend of Keras can compile it.
"""

from collections.abc import Callable
from typing import Any

from tracker.detection.nms import nms_graph
from tracker.detection.runtimes.base import RuntimeRequest
from tracker.detection.yolo_decode import decode_graph

DetectionGraph = Callable[[Any], tuple[Any, Any, Any, Any]]


def detection_graph(request: RuntimeRequest) -> DetectionGraph:
    """Returns the function, with the network's weights.

    It takes pixels `(B, h, w, 3)` uint8 RGB of the request's input size, and returns boxes
    `(B, M, 4)` float32 xyxy in pixels of the input, scores `(B, M)` float32, classes `(B, M)` int32
    and the number of rows that count, `(B,)` int32; `M` is the most that suppression keeps. With
    `half` the layers of the network compute in float16; all else stays float32.

    Args:
        request: What to run.
    """
    from keras import ops

    model = request.network.build(request.input_size)
    if request.half:
        from tracker.models.half import compute_in_half

        compute_in_half(model)

    def detect(pixels: Any) -> tuple[Any, Any, Any, Any]:
        maps = model(ops.cast(pixels, "float32") / 255.0, training=False)
        maps = maps if isinstance(maps, list | tuple) else [maps]
        boxes, scores, classes = decode_graph(
            [ops.cast(one, "float32") for one in maps],
            request.network.heads,
            input_size=request.input_size,
        )
        scores = ops.where(ops.take(request.allowed, classes), scores, 0.0)
        found: tuple[Any, Any, Any, Any] = nms_graph(boxes, scores, classes, settings=request.nms)
        return found

    return detect
