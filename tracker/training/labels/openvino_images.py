"""OpenVINO networks of one image and one output, for teachers: in float32 on the CPU."""

import logging
from os import PathLike
from pathlib import Path

import numpy as np

from tracker.errors import ModelError
from tracker.inference.openvino_network import OpenVinoNetwork
from tracker.util.arrays import Float32Array, UInt8Array

logger = logging.getLogger(__name__)

BATCH = 16
"""Images at once, where there are so many."""


class OpenVinoImageNetwork:
    """A network with one image as input and one output, as those of Open Model Zoo are.

    Args:
        path: `.xml` file; the `.bin` of the same name lies beside it.
        threads: CPU threads.

    Raises:
        ModelError: A file is missing or cannot be read, or inputs and outputs are others.
        DependencyError: OpenVINO is not installed.

    Attributes:
        path: The file.
        size: Height and width of the input in pixels.
        output_shape: Of the output for one image.
    """

    def __init__(self, path: str | PathLike[str], *, threads: int = 1) -> None:
        self.path = Path(path)
        self._threads = threads
        self._network = OpenVinoNetwork(self.path, threads=threads)
        inputs = [spec.shape for spec in self._network.inputs]
        outputs = [spec.shape for spec in self._network.outputs]
        sides = [side for shape in (*inputs, *outputs) for side in shape if side is not None]
        is_image = len(inputs) == 1 and len(inputs[0]) == 4 and inputs[0][:2] == (1, 3)
        is_fixed = len(sides) == sum(map(len, (*inputs, *outputs)))
        if not is_image or not is_fixed or len(outputs) != 1:
            raise ModelError(
                f"{self.path}: expected one input (1, 3, height, width) and one output, got "
                f"inputs {inputs} and outputs {outputs}"
            )
        self.size = (sides[2], sides[3])
        self.output_shape = tuple(sides[4:])
        self._many: OpenVinoNetwork | None = None
        self._takes_many = True

    def run(self, image: UInt8Array) -> Float32Array:
        """Returns the output for an image `(h, w, 3)` uint8 RGB of the input's size.

        The network is given BGR from 0 to 255, as those of Open Model Zoo want it.
        """
        return _run(self._network, image[None])

    def run_many(self, images: UInt8Array) -> Float32Array:
        """Returns the outputs `(N, ...)` for images `(N, h, w, 3)` uint8 RGB of the input's size.

        The first dimension of the output for one image has to be 1. Whole sixteens of images
        are given at once; others are, or all if the network cannot take so many, one by one.
        """
        parts = [np.zeros((0, *self.output_shape[1:]), np.float32)]
        network = self._network_of_many() if len(images) >= BATCH else None
        if network is not None:
            for at in range(0, len(images) - BATCH + 1, BATCH):
                parts.append(_run(network, images[at : at + BATCH]))
        rest = sum(map(len, parts))
        return np.concatenate([*parts, *(self.run(image) for image in images[rest:])])

    def _network_of_many(self) -> OpenVinoNetwork | None:
        if self._many is None and self._takes_many:
            try:
                many = OpenVinoNetwork(self.path, threads=self._threads, batch=BATCH)
                shape = many.outputs[0].shape
                if shape != (BATCH, *self.output_shape[1:]):
                    raise ModelError(f"its output would be {shape}")
                self._many = many
            except ModelError as error:
                self._takes_many = False
                logger.info("%s: takes one image at a time: %s", self.path, error)
        return self._many


def _run(network: OpenVinoNetwork, images: UInt8Array) -> Float32Array:
    pixels = np.ascontiguousarray(images[..., ::-1].transpose(0, 3, 1, 2), np.float32)
    return np.asarray(network.run([pixels])[0], np.float32)
