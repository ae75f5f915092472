"""OpenVINO networks, for teachers: one picture in, numbers out, in 32 bits on the CPU.

Comes in: an IR file (`.xml` with its `.bin` beside it). Goes out: `OpenVinoNetwork`. The library is
loaded on first use.
"""

import importlib
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from tracker.arrays import Float32Array, UInt8Array
from tracker.errors import DependencyError, ModelError


class OpenVinoNetwork:
    """A network with one picture as input and one output, as those of Open Model Zoo are.

    Args:
        path: `.xml` file; the `.bin` of the same name lies beside it.
        threads: CPU threads.

    Raises:
        ModelError: A file is missing or cannot be read, or inputs and outputs are others.
        DependencyError: OpenVINO is not installed.

    Attributes:
        path: The file.
        size: Height and width of the input in pixels.
        output_shape: Of the output for one picture.
    """

    def __init__(self, path: str | PathLike[str], *, threads: int = 1) -> None:
        self.path = Path(path)
        for file in (self.path, self.path.with_suffix(".bin")):
            if not file.is_file():
                raise ModelError(
                    f"{file}: no such file; an OpenVINO network is a .xml and a .bin file named "
                    "alike"
                )
        runtime = _runtime()
        try:
            core = runtime.Core()
            model = core.read_model(str(self.path))
            settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
            self._network = core.compile_model(model, "CPU", settings)
            inputs = [tuple(port.shape) for port in model.inputs]
            outputs = [tuple(port.shape) for port in model.outputs]
        except RuntimeError as error:  # of what kind it was stands in its last line
            reason = str(error).strip().splitlines()[-1]
            raise ModelError(f"{self.path}: OpenVINO cannot load it: {reason}") from error
        is_picture = len(inputs) == 1 and len(inputs[0]) == 4 and inputs[0][:2] == (1, 3)
        if not is_picture or len(outputs) != 1:
            raise ModelError(
                f"{self.path}: expected one input (1, 3, height, width) and one output, got "
                f"inputs {inputs} and outputs {outputs}"
            )
        self.size = (int(inputs[0][2]), int(inputs[0][3]))
        self.output_shape = tuple(map(int, outputs[0]))

    def run(self, image: UInt8Array) -> Float32Array:
        """Returns the output for a picture `(h, w, 3)` uint8 RGB of the input's size.

        The network is given BGR from 0 to 255, as those of Open Model Zoo want it.
        """
        pixels = np.ascontiguousarray(image[None, :, :, ::-1].transpose(0, 3, 1, 2), np.float32)
        return np.asarray(self._network([pixels])[0], np.float32)


def _runtime() -> Any:
    try:
        return importlib.import_module("openvino")
    except ImportError as error:
        raise DependencyError(
            f"OpenVINO models (.xml) need the package openvino: {error}; "
            "pip install 'tracker-pipeline[openvino]'"
        ) from error
