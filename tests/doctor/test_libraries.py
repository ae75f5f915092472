"""Libraries that are missing, broken, or without a GPU: small modules in their place."""

import os
from pathlib import Path

import pytest

from tracker.doctor.check import Check, Status
from tracker.doctor.examinations import EXAMINATIONS
from tracker.doctor.isolated import Examination, examine

NAMED = {examination.name: examination for examination in EXAMINATIONS}
KERAS = """
class backend:
    backend = staticmethod(lambda: "tensorflow")
__version__ = "3.99"
"""
TENSORFLOW = """
import sys
from types import SimpleNamespace
__version__ = "2.99"
print("cannot find a GPU here", file=sys.stderr)
config = SimpleNamespace(list_physical_devices=lambda kind: [])
test = SimpleNamespace(is_built_with_cuda=lambda: False)
"""


def examined(examination: Examination, folder: Path, **modules: str) -> tuple[Check, ...]:
    """Returns the results with modules in place of the installed ones."""
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    variables = {"CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": str(folder)}
    return examine(examination, {**os.environ, **variables})


def test_tensorflow_and_the_reason_without_a_gpu(tmp_path: Path) -> None:
    modules = {"keras": KERAS, "tensorflow": TENSORFLOW}
    tensorflow, gpu = examined(NAMED["TensorFlow"], tmp_path, **modules)
    assert tensorflow.status is Status.OK
    assert tensorflow.detail.startswith("2.99, Keras 3.99, loaded in ")
    assert (gpu.name, gpu.status) == ("GPU", Status.WARNING)
    assert "CUDA_VISIBLE_DEVICES='-1' hides all GPUs" in gpu.detail


def test_a_tensorflow_that_cannot_be_loaded(tmp_path: Path) -> None:
    modules = {"keras": KERAS, "tensorflow": "raise ImportError('libstdc++ is too old')"}
    (check,) = examined(NAMED["TensorFlow"], tmp_path, **modules)
    assert check.status is Status.WARNING
    assert check.detail.endswith("TensorFlow cannot be loaded: libstdc++ is too old")
    assert check.mend == "pip install --force-reinstall tensorflow"


def test_a_tensorflow_that_crashes(tmp_path: Path) -> None:
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"
    (check,) = examined(NAMED["TensorFlow"], tmp_path, keras=KERAS, tensorflow=crash)
    assert (check.status, check.detail) == (Status.WARNING, "crashed: SIGILL")


@pytest.mark.parametrize(
    ("name", "module"), [("PyAV", "av"), ("OpenCV", "cv2"), ("LiteRT", "ai_edge_litert")]
)
def test_a_library_that_a_run_needs(tmp_path: Path, name: str, module: str) -> None:
    (check,) = examined(NAMED[name], tmp_path, **{module: "raise ImportError('broken')"})
    assert check.status is Status.FAILURE
    assert "broken" in check.detail
    assert check.mend.startswith("pip install --force-reinstall ")


def test_runtimes_of_other_formats(tmp_path: Path) -> None:
    onnx = "__version__ = '1.99'\ndef get_available_providers():\n"
    onnx += "    return ['CUDAExecutionProvider', 'CPUExecutionProvider']"
    (check,) = examined(NAMED["ONNX Runtime"], tmp_path, onnxruntime=onnx)
    assert check == Check("ONNX Runtime", Status.OK, "1.99, providers CUDA, CPU")
    openvino = "__version__ = '2099.1'\nclass Core:\n    available_devices = ['CPU', 'NPU']"
    (check,) = examined(NAMED["OpenVINO"], tmp_path, openvino=openvino)
    assert check == Check("OpenVINO", Status.OK, "2099.1, devices CPU, NPU")


def test_a_runtime_that_is_not_installed(tmp_path: Path) -> None:
    # Python runs this module at its start; None hides a module from all finders.
    hidden = "import sys\nsys.modules['onnxruntime'] = None\n"
    (check,) = examined(NAMED["ONNX Runtime"], tmp_path, sitecustomize=hidden)
    assert (check.status, check.detail) == (
        Status.WARNING,
        "not installed; .onnx files need it",
    )
    assert "tracker-pipeline[onnx]" in check.mend
