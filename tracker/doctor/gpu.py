"""The state of the GPU, with the reason where TensorFlow sees none."""

import ctypes
import os
import re
import sys
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracker.doctor.check import Check, failure, ok, warning
from tracker.inference.captured_stderr import native_output_logged

_NAME = "GPU"
_ON_CPU = "Networks run on the CPU"
_INSTALL = "pip install 'tensorflow[and-cuda]'"


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """What decides whether TensorFlow can use a GPU.

    Attributes:
        names: Names of the GPUs that TensorFlow sees.
        problem: Why a computation on the first of them failed; empty if it gave the right result.
        platform: As `sys.platform`.
        visible: The environment variable `CUDA_VISIBLE_DEVICES`; `None` where it is not set.
        is_built_with_cuda: Whether this TensorFlow has code for NVIDIA GPUs.
        has_device: Whether the system has a device file of an NVIDIA GPU.
        driver_problem: Why the driver cannot be used; empty if it can.
        missing: Names of CUDA libraries that are not found.
        messages: What TensorFlow printed about it.
    """

    names: tuple[str, ...] = ()
    problem: str = ""
    platform: str = "linux"
    visible: str | None = None
    is_built_with_cuda: bool = True
    has_device: bool = True
    driver_problem: str = ""
    missing: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()


def gpu_check(facts: GpuFacts) -> Check:
    """Returns whether networks can run on a GPU, and the first reason where they cannot."""
    if facts.problem:
        mend = f"Run with --device cpu, or renew the driver and TensorFlow: {_INSTALL}"
        return failure(_NAME, f"{facts.names[0]}: a computation failed: {facts.problem}", mend)
    if facts.names:
        return ok(_NAME, f"{', '.join(facts.names)}; TensorFlow computes on it")
    for applies, detail, mend in _reasons(facts):
        if applies:
            return warning(_NAME, f"none: {detail}", mend)
    told = next((text for text in facts.messages if "GPU" in text), "TensorFlow gives no reason")
    detail = re.sub(r"^.*?\] ", "", told)
    return warning(_NAME, f"none: {detail}", f"{_ON_CPU}; for a GPU, try {_INSTALL}")


def _reasons(facts: GpuFacts) -> Iterable[tuple[bool, str, str]]:
    """Yields pairs of reason and mend in the order of causes, each with whether it applies."""
    yield (
        facts.platform != "linux",
        "this program uses NVIDIA GPUs on Linux alone",
        f"{_ON_CPU}; for an NVIDIA GPU on Windows, install this program in WSL 2.",
    )
    hidden = facts.visible is not None and facts.visible.strip() in {"", "-1", "NoDevFiles"}
    yield (
        hidden,
        f"CUDA_VISIBLE_DEVICES={facts.visible!r} hides all GPUs",
        f"{_ON_CPU}; for a GPU: unset CUDA_VISIBLE_DEVICES",
    )
    yield (
        not facts.has_device,
        "this machine has no device file /dev/nvidia0",
        f"{_ON_CPU}; if there is an NVIDIA GPU, install its driver, and start a container with "
        "--gpus all.",
    )
    yield (
        facts.driver_problem != "",
        f"its driver cannot be used: {facts.driver_problem}",
        "Install or renew the NVIDIA driver, restart, and run nvidia-smi to see it work.",
    )
    yield (
        not facts.is_built_with_cuda,
        "this TensorFlow is built for CPUs only",
        f"pip uninstall tensorflow-cpu; {_INSTALL}",
    )
    yield (
        facts.missing != (),
        f"TensorFlow does not find {', '.join(facts.missing)}",
        f"Install the CUDA libraries of its version: {_INSTALL}",
    )


def gpu_facts(tf: Any, messages: Sequence[str]) -> GpuFacts:
    """Returns the facts about the GPUs of this machine.

    Args:
        tf: The module `tensorflow`.
        messages: The list to which its messages are added.
    """
    with native_output_logged():
        gpus = tf.config.list_physical_devices("GPU")
        names = tuple(_device_name(tf, gpu) for gpu in gpus)
        problem = _computation_problem(tf, gpus) if gpus else ""
    is_built_with_cuda = bool(tf.test.is_built_with_cuda())
    build = tf.sysconfig.get_build_info() if is_built_with_cuda else {}
    devices = Path("/dev")
    return GpuFacts(
        names=names,
        problem=problem,
        platform=sys.platform,
        visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
        is_built_with_cuda=is_built_with_cuda,
        has_device=any(devices.glob("nvidia[0-9]*")) or (devices / "dxg").exists(),
        driver_problem=driver_problem(),
        missing=missing_libraries(build, Path(sysconfig.get_paths()["purelib"])),
        messages=tuple(messages),
    )


def driver_problem(load: Callable[[str], Any] = ctypes.CDLL) -> str:
    """Returns why the driver of NVIDIA GPUs cannot be used; empty if it can.

    Args:
        load: Loads a shared library by its name.
    """
    try:
        cuda = load("libcuda.so.1")
    except OSError as error:
        return str(error)
    code = cuda.cuInit(0)
    if code == 0:
        return ""
    text = ctypes.c_char_p()
    cuda.cuGetErrorString(code, ctypes.byref(text))
    return f"cuInit returns {code}, {(text.value or b'unknown error').decode()}"


def missing_libraries(build: Any, packages: Path) -> tuple[str, ...]:
    """Returns the CUDA libraries that neither the system nor NVIDIA's packages have.

    Only those are looked for whose names have the version of CUDA or cuDNN itself.

    Args:
        build: `cuda_version` and `cudnn_version` that TensorFlow was built with, where known.
        packages: Folder of installed packages.
    """
    missing = []
    for key, libraries in (("cuda_version", ("cudart", "cublas")), ("cudnn_version", ("cudnn",))):
        major = str(build.get(key, "")).partition(".")[0]
        for name in (f"lib{library}.so.{major}" for library in libraries if major.isdecimal()):
            if not any(packages.glob(f"nvidia/*/lib/{name}")) and not _can_load(name):
                missing.append(name)
    return tuple(missing)


def _can_load(name: str) -> bool:
    with suppress(OSError):
        ctypes.CDLL(name)
        return True
    return False


def _device_name(tf: Any, gpu: Any) -> str:
    details = tf.config.experimental.get_device_details(gpu)
    return str(details.get("device_name", gpu.name))


def _computation_problem(tf: Any, gpus: Sequence[Any]) -> str:
    """Returns why XLA, which compiles networks for GPUs, failed; empty if the result is right."""
    try:
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        with tf.device("/GPU:0"):
            multiply = tf.function(tf.linalg.matmul, jit_compile=True)
            total = float(tf.reduce_sum(multiply(tf.ones((64, 32)), tf.ones((32, 64)))))
    except Exception as error:
        return str(error)
    expected = 64 * 32 * 64
    return "" if total == expected else f"expected {expected}, got {total:g}"
