"""The first reason why there is no GPU is reported, with its mend."""

from pathlib import Path
from typing import Any

import pytest

from tracker.doctor.check import Status
from tracker.doctor.gpu import GpuFacts, driver_problem, gpu_check, missing_libraries

LOG = (
    "2026-11-28 10:00:00.1: W tensorflow/core/gpu_device.cc:2342] Skipping registering GPU devices"
)


def test_a_gpu_that_computes() -> None:
    check = gpu_check(GpuFacts(names=("NVIDIA H200", "NVIDIA H200")))
    assert check.status is Status.OK
    assert check.detail.startswith("NVIDIA H200, NVIDIA H200;")


def test_a_gpu_that_fails_is_a_failure() -> None:
    check = gpu_check(GpuFacts(names=("NVIDIA H200",), problem="no ptxas"))
    assert (check.status, check.detail) == (
        Status.FAILURE,
        "NVIDIA H200: a computation failed: no ptxas",
    )
    assert "--device cpu" in check.mend


@pytest.mark.parametrize(
    ("facts", "detail", "mend"),
    [
        (GpuFacts(platform="darwin", has_device=False), "on Linux alone", "WSL 2"),
        (GpuFacts(visible="-1"), "CUDA_VISIBLE_DEVICES='-1' hides", "unset CUDA_VISIBLE_DEVICES"),
        (GpuFacts(visible="", has_device=False), "CUDA_VISIBLE_DEVICES='' hides", "unset"),
        (GpuFacts(has_device=False, driver_problem="x"), "no device file /dev/nvidia0", "--gpus"),
        (GpuFacts(driver_problem="cuInit returns 999"), "cuInit returns 999", "nvidia-smi"),
        (GpuFacts(is_built_with_cuda=False), "built for CPUs only", "tensorflow[and-cuda]"),
        (GpuFacts(missing=("libcudnn.so.9",)), "does not find libcudnn.so.9", "[and-cuda]"),
        (GpuFacts(messages=("I", LOG)), "none: Skipping registering GPU devices", "[and-cuda]"),
        (GpuFacts(visible="0"), "TensorFlow gives no reason", "[and-cuda]"),
    ],
)
def test_reasons(facts: GpuFacts, detail: str, mend: str) -> None:
    check = gpu_check(facts)
    assert check.status is Status.WARNING
    assert detail in check.detail
    assert mend in check.mend


class Driver:
    """A `libcuda` whose start gives a code."""

    def __init__(self, code: int) -> None:
        self._code = code

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return self._code

    def cuGetErrorString(self, code: int, text: Any) -> None:  # noqa: N802
        text._obj.value = b"unknown error"


def test_the_driver_says_why_it_does_not_start() -> None:
    assert driver_problem(lambda name: Driver(0)) == ""
    assert driver_problem(lambda name: Driver(999)) == "cuInit returns 999, unknown error"

    def missing(name: str) -> Driver:
        raise OSError(f"{name}: cannot open shared object file")

    assert driver_problem(missing) == "libcuda.so.1: cannot open shared object file"


def test_libraries_of_nvidias_packages_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "nvidia" / "cudnn" / "lib"
    folder.mkdir(parents=True)
    build = {"cuda_version": "987.5.1", "cudnn_version": "986"}
    names = ("libcudart.so.987", "libcublas.so.987", "libcudnn.so.986")
    assert missing_libraries(build, tmp_path) == names
    (folder / "libcudnn.so.986").touch()
    assert missing_libraries(build, tmp_path) == names[:2]
    assert missing_libraries({}, tmp_path) == ()
