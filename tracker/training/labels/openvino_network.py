"""OpenVINO networks, for teachers: images in, numbers out, in 32 bits on the CPU.

The library is loaded on first use.
"""

import importlib
import logging
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from tracker.errors import DependencyError, ModelError
from tracker.util.arrays import Float32Array, UInt8Array
from tracker.util.paths import missing_text

logger = logging.getLogger(__name__)

BATCH = 16
"""Images at once, where there are so many."""


class OpenVinoNetwork:
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
        for file in (self.path, self.path.with_suffix(".bin")):
            if not file.is_file():
                raise ModelError(
                    f"{file}: {missing_text(file)}; an OpenVINO network is a .xml and a "
                    ".bin file named alike"
                )
        runtime = _runtime()
        try:
            self._core = runtime.Core()
            model = self._core.read_model(str(self.path))
            self._settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
            self._network = self._core.compile_model(model, "CPU", self._settings)
            inputs = [tuple(port.shape) for port in model.inputs]
            outputs = [tuple(port.shape) for port in model.outputs]
        except RuntimeError as error:  # of what kind it was stands in its last line
            raise ModelError(f"{self.path}: OpenVINO cannot load it: {_reason(error)}") from error
        is_image = len(inputs) == 1 and len(inputs[0]) == 4 and inputs[0][:2] == (1, 3)
        if not is_image or len(outputs) != 1:
            raise ModelError(
                f"{self.path}: expected one input (1, 3, height, width) and one output, got "
                f"inputs {inputs} and outputs {outputs}"
            )
        self.size = (int(inputs[0][2]), int(inputs[0][3]))
        self.output_shape = tuple(map(int, outputs[0]))
        self._many: Callable[[Any], Any] | None = None
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
        network = self._compiled_for_many() if len(images) >= BATCH else None
        if network is not None:
            for at in range(0, len(images) - BATCH + 1, BATCH):
                parts.append(_run(network, images[at : at + BATCH]))
        rest = sum(map(len, parts))
        return np.concatenate([*parts, *(self.run(image) for image in images[rest:])])

    def _compiled_for_many(self) -> Callable[[Any], Any] | None:
        if self._many is None and self._takes_many:
            try:
                model = self._core.read_model(str(self.path))
                model.reshape([BATCH, 3, *self.size])
                if tuple(model.outputs[0].shape) != (BATCH, *self.output_shape[1:]):
                    raise RuntimeError(f"its output would be {tuple(model.outputs[0].shape)}")
                self._many = self._core.compile_model(model, "CPU", self._settings)
            except RuntimeError as error:
                self._takes_many = False
                logger.info("%s: takes one image at a time: %s", self.path, _reason(error))
        return self._many


def _run(network: Callable[[Any], Any], images: UInt8Array) -> Float32Array:
    pixels = np.ascontiguousarray(images[..., ::-1].transpose(0, 3, 1, 2), np.float32)
    return np.asarray(network([pixels])[0], np.float32)


def _reason(error: RuntimeError) -> str:
    return str(error).strip().splitlines()[-1]


def _runtime() -> Any:
    try:
        return importlib.import_module("openvino")
    except ImportError as error:
        raise DependencyError(
            f"OpenVINO models (.xml) need the package openvino: {error}; "
            "pip install 'tracker-pipeline[openvino]'"
        ) from error
