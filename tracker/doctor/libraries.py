"""Checks whether libraries can be loaded. They run in a process of their own, see `isolated`."""

import logging
import os
import time
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from tracker.doctor.check import Check, ok, warning
from tracker.doctor.gpu import gpu_check, gpu_facts


def litert_checks() -> list[Check]:
    """Returns whether LiteRT, which runs the networks of this package, can be loaded."""
    import ai_edge_litert.interpreter  # noqa: F401 - whether it can be loaded is the question

    return [ok("LiteRT", version("ai-edge-litert"))]


def opencv_checks() -> list[Check]:
    """Returns whether OpenCV can be loaded."""
    from tracker.util.opencv import cv2

    return [ok("OpenCV", cv2.__version__)]


def pyav_checks() -> list[Check]:
    """Returns whether PyAV and its FFmpeg can be loaded."""
    import av

    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    return [ok("PyAV", f"{av.__version__}, libavcodec {codec}")]


def onnx_runtime_checks() -> list[Check]:
    """Returns whether ONNX Runtime can be loaded, and what it runs networks on."""
    if find_spec("onnxruntime") is None:
        return [_left_out("ONNX Runtime", ".onnx files", "onnx")]
    import onnxruntime

    providers = ", ".join(
        name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()
    )
    return [ok("ONNX Runtime", f"{onnxruntime.__version__}, providers {providers}")]


def openvino_checks() -> list[Check]:
    """Returns whether OpenVINO can be loaded, and the devices that it sees."""
    if find_spec("openvino") is None:
        return [_left_out("OpenVINO", ".xml files and --runtime openvino", "openvino")]
    openvino = import_module("openvino")
    devices = ", ".join(openvino.Core().available_devices)
    return [ok("OpenVINO", f"{openvino.__version__}, devices {devices}")]


def tensorflow_checks() -> list[Check]:
    """Returns whether TensorFlow can be loaded, and the state of the GPU."""
    from tracker.inference import captured_stderr
    from tracker.inference.tensorflow import load_tensorflow

    if find_spec("tensorflow") is None:
        mend = "pip install tensorflow"
        uses = "training, .keras files, SavedModels and GPUs need it"
        return [warning("TensorFlow", f"not installed; {uses}", mend)]
    # TensorFlow says at this level why it leaves a GPU out.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "1"
    messages = _Messages()
    captured_stderr.logger.addHandler(messages)
    captured_stderr.logger.setLevel(logging.DEBUG)
    begin = time.monotonic()
    tf = load_tensorflow()
    seconds = time.monotonic() - begin
    detail = f"{tf.__version__}, Keras {_keras_version()}, loaded in {seconds:.1f} s"
    return [ok("TensorFlow", detail), gpu_check(gpu_facts(tf, messages.lines))]


class _Messages(logging.Handler):
    """Collects the messages of a logger."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _keras_version() -> Any:
    import keras

    return keras.__version__


def _left_out(name: str, uses: str, extra: str) -> Check:
    mend = f"pip install 'tracker-pipeline[{extra}]' where you need it."
    return warning(name, f"not installed; {uses} need it", mend)
