"""The examinations of `tracker doctor`, in the order of its report."""

from tracker.doctor.check import Status
from tracker.doctor.isolated import Examination
from tracker.registry.builtin import DETECTORS

_HERE = "tracker.doctor"
_AGAIN = "Install this program again in a new environment: python3 -m venv NEW; NEW/bin/pip install"
_SLOW_S = 300.0
"""Seconds for TensorFlow, which takes minutes to load from a slow disk, and for networks, which are
compiled first where there is a GPU."""


def _library(name: str, function: str, package: str, *, is_needed: bool) -> Examination:
    return Examination(
        name,
        f"{_HERE}.libraries:{function}",
        mend=f"pip install --force-reinstall {package}",
        status=Status.FAILURE if is_needed else Status.WARNING,
        timeout_s=_SLOW_S,
    )


def _network(name: str, function: str, *arguments: str, is_needed: bool = True) -> Examination:
    return Examination(
        name,
        f"{_HERE}.networks:{function}",
        mend="Mend the first failure above; if there is none, pip install --force-reinstall "
        "ai-edge-litert, or run with --device cpu if there is a GPU.",
        arguments=arguments,
        status=Status.FAILURE if is_needed else Status.WARNING,
        timeout_s=_SLOW_S,
    )


EXAMINATIONS = (
    Examination("Python", f"{_HERE}.installation:python_checks", f"{_AGAIN} ."),
    Examination("packages", f"{_HERE}.installation:package_checks", f"{_AGAIN} ."),
    Examination("current folder", f"{_HERE}.folders:folder_checks", f"{_AGAIN} ."),
    _library("LiteRT", "litert_checks", "ai-edge-litert", is_needed=True),
    _library("OpenCV", "opencv_checks", "opencv-python", is_needed=True),
    _library("PyAV", "pyav_checks", "av", is_needed=True),
    _library("TensorFlow", "tensorflow_checks", "tensorflow", is_needed=False),
    _library("ONNX Runtime", "onnx_runtime_checks", "onnxruntime", is_needed=False),
    _library("OpenVINO", "openvino_checks", "openvino", is_needed=False),
    Examination(
        "video libx264", f"{_HERE}.codecs:codec_checks", "pip install --force-reinstall av"
    ),
    Examination(
        "cameras",
        f"{_HERE}.cameras:camera_checks",
        "Unplug the cameras and plug them in again; files and streams work without.",
        status=Status.WARNING,
    ),
    Examination(
        "display",
        f"{_HERE}.display:display_checks",
        "Use --video to write the frames to a file.",
        status=Status.WARNING,
    ),
    *(
        _network(f"detector {name}", "detector_checks", name, is_needed=name == "small")
        for name in DETECTORS
    ),
    _network("appearance network", "appearance_checks"),
    _network("segmenter", "segmenter_checks", is_needed=False),
)
