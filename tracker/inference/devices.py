"""Devices that networks run on: `cpu`, `gpu:1` and so on, and TensorFlow's names for them."""

from dataclasses import dataclass

from tracker.errors import ConfigError, DeviceError
from tracker.inference.captured_stderr import native_output_logged
from tracker.inference.tensorflow import load_tensorflow


@dataclass(frozen=True, slots=True)
class Device:
    """Where a network runs.

    Attributes:
        kind: "auto", "cpu" or "gpu".
        index: Number of the GPU.
    """

    kind: str = "auto"
    index: int = 0

    @classmethod
    def parse(cls, text: str) -> "Device":
        """Returns the device that `auto`, `cpu`, `gpu` or `gpu:N` names.

        Raises:
            ConfigError: The text is none of these.
        """
        kind, colon, number = text.partition(":")
        if kind in ("auto", "cpu", "gpu") and not colon:
            return cls(kind)
        if kind == "gpu" and number.isdecimal():
            return cls(kind, int(number))
        raise ConfigError(f"device: expected auto, cpu, gpu or gpu:N, got {text!r}")


MOST_THREADS = 1024
"""More are a slip, and runtimes end the process where the system refuses so many."""


def check_threads(threads: int | None, name: str = "threads") -> None:
    """Checks a number of CPU threads; `None` leaves the choice to the runtime.

    Args:
        threads: The number.
        name: What the message calls it.

    Raises:
        ConfigError: Fewer than one, or more than `MOST_THREADS`.
    """
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise ConfigError(f"{name}: expected 1 to {MOST_THREADS}, got {threads}")


def why_no_gpu() -> str | None:
    """Returns the reason why TensorFlow sees no GPU, or `None` if it sees one.

    Raises:
        DependencyError: TensorFlow cannot be loaded.
    """
    tf = load_tensorflow()
    with native_output_logged():
        if tf.config.list_physical_devices("GPU"):
            return None
    if not tf.test.is_built_with_cuda() and not tf.test.is_built_with_rocm():
        return "this TensorFlow is built for CPUs only"
    return "no working driver or CUDA library; try: pip install 'tensorflow[and-cuda]'"


def tensorflow_device(device: Device, *, threads: int | None = None) -> str:
    """Configures a device's memory and threads, and returns TensorFlow's name for it.

    GPU memory is then allocated as needed, not all at once.

    Args:
        device: The device.
        threads: CPU threads of one operation; `None` keeps TensorFlow's default.

    Raises:
        DependencyError: TensorFlow cannot be loaded.
        DeviceError: The requested GPU is not available.
        ConfigError: TensorFlow is already running with another number of threads.
    """
    tf = load_tensorflow()
    with native_output_logged():
        _set_threads(tf, threads)
        gpus = [] if device.kind == "cpu" else tf.config.list_physical_devices("GPU")
    if device.kind == "cpu" or (device.kind == "auto" and not gpus):
        return "/CPU:0"
    if device.index >= len(gpus):
        reason = why_no_gpu() or f"TensorFlow sees {len(gpus)}, counted from 0"
        raise DeviceError(f"GPU {device.index} is not available: {reason}; try device cpu")
    for gpu in gpus:
        if not tf.config.experimental.get_memory_growth(gpu):
            try:
                tf.config.experimental.set_memory_growth(gpu, True)
            except RuntimeError:
                break  # The host program has already initialised its GPUs: keep its settings.
    return f"/GPU:{device.index}"


def _set_threads(tf: object, threads: int | None) -> None:
    threading = tf.config.threading  # type: ignore[attr-defined]
    if threads is None or threading.get_intra_op_parallelism_threads() == threads:
        return
    try:
        threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError as error:
        raise ConfigError(
            f"threads: TensorFlow already runs in this process and cannot change to {threads} "
            "threads; set them before its first use"
        ) from error
