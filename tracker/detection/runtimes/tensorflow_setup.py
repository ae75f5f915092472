"""The devices of TensorFlow, with the memory settings that sharing a GPU needs.

Comes in: a device. Goes out: the name TensorFlow has for it, or one line that says why it is not
there.
"""

from tracker.errors import ConfigError, DeviceError
from tracker.inference.devices import Device
from tracker.inference.native import native_output_logged
from tracker.inference.tensorflow import load_tensorflow


def why_no_gpu() -> str | None:
    """Returns why TensorFlow sees no GPU, or `None` if it sees one."""
    tf = load_tensorflow()
    with native_output_logged():
        if tf.config.list_physical_devices("GPU"):
            return None
    if not tf.test.is_built_with_cuda() and not tf.test.is_built_with_rocm():
        return "this TensorFlow is built for CPUs only"
    return "no working driver or CUDA library; try: pip install 'tensorflow[and-cuda]'"


def tensorflow_device(device: Device) -> str:
    """Returns TensorFlow's name of a device; a GPU's memory is then taken as needed, not at once.

    Raises:
        DeviceError: The GPU that was asked for is not there; the message says why.
    """
    tf = load_tensorflow()
    if device.kind == "cpu":
        return "/CPU:0"
    with native_output_logged():
        gpus = tf.config.list_physical_devices("GPU")
    if device.kind == "auto" and not gpus:
        return "/CPU:0"
    if device.index >= len(gpus):
        reason = why_no_gpu() or f"TensorFlow sees {len(gpus)}, counted from 0"
        raise DeviceError(f"GPU {device.index} is not there: {reason}; device cpu works")
    for gpu in gpus:
        if not tf.config.experimental.get_memory_growth(gpu):
            try:
                tf.config.experimental.set_memory_growth(gpu, True)
            except RuntimeError:
                break  # the program around us has already set up its GPUs: its choice holds
    return f"/GPU:{device.index}"


def set_threads(threads: int | None) -> None:
    """Sets how many CPU threads TensorFlow uses for one operation; `None` leaves it alone.

    Raises:
        ConfigError: TensorFlow is already running with another number.
    """
    tf = load_tensorflow()
    if threads is None:
        return
    threading = tf.config.threading
    try:
        with native_output_logged():
            if threading.get_intra_op_parallelism_threads() != threads:
                threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError as error:
        raise ConfigError(
            f"threads: TensorFlow already runs in this process and cannot change to {threads} "
            "threads; set them before its first use"
        ) from error
