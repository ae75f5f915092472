"""A network on LiteRT that takes any number of images of one size at a time."""

from typing import Any

import numpy as np

from tracker.inference.litert import open_interpreter
from tracker.util.arrays import Float32Array, UInt8Array

BUCKETS = (64, 32, 16, 8, 4, 2, 1)
"""Numbers of images that one call of the network takes: their memory is planned once each."""


class BatchedNetwork:
    """Runs a `.tflite` with one input and one output on the CPU.

    Args:
        model: The content of the file.
        image_shape: `(h, w, 3)` of an image.
        threads: CPU threads.
        advice: What to try if LiteRT rejects the model, for the message.

    Raises:
        ModelError: LiteRT does not accept the network.
        DependencyError: LiteRT cannot be loaded.
    """

    def __init__(
        self, model: bytes, *, image_shape: tuple[int, int, int], threads: int, advice: str
    ) -> None:
        self._model, self._image_shape = model, image_shape
        self._threads, self._advice = threads, advice
        self._interpreters: dict[int, Any] = {}
        details = self._interpreter(1).get_output_details()[0]
        self.output_shape: tuple[int, ...] = tuple(int(n) for n in details["shape"][1:])

    def run(self, images: UInt8Array) -> Float32Array:
        """Returns `(N, *output_shape)` float32 of images `(N, h, w, 3)` uint8 RGB.

        `N` is taken apart into the largest buckets that fit, so that nothing is computed in vain:
        13 images are calls with 8, 4 and 1.
        """
        results = np.empty((len(images), *self.output_shape), np.float32)
        start = 0
        for bucket in BUCKETS:
            while len(images) - start >= bucket:
                end = start + bucket
                results[start:end] = self._call(images[start:end])
                start = end
        return results

    def _call(self, images: UInt8Array) -> Float32Array:
        interpreter = self._interpreter(len(images))
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images)
        interpreter.invoke()
        result: Float32Array = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        return result

    def _interpreter(self, bucket: int) -> Any:
        if bucket not in self._interpreters:
            self._interpreters[bucket] = open_interpreter(
                self._model,
                threads=self._threads,
                advice=self._advice,
                input_shape=(bucket, *self._image_shape),
            )
        return self._interpreters[bucket]
