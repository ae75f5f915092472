"""LiteRT: exports networks to `.tflite` and runs these on a CPU."""

import os
from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any

from tracker.errors import DependencyError, ModelError
from tracker.inference.captured_stderr import native_output_logged
from tracker.inference.tensorflow import load_tensorflow

if TYPE_CHECKING:
    from tracker.inference.keras_runner import NamedModel


class ConversionError(ModelError):
    """A network has an operation that LiteRT does not have."""


class Precision(Enum):
    """How an exported network stores and computes numbers."""

    FLOAT32 = "float32"
    """As it was trained."""
    FLOAT16 = "float16"
    """Stored in half the bytes, computed in float32: as fast, with practically equal results."""
    INT8 = "int8"
    """Stored and computed as integers with scales calibrated on images, but for the last operators:
    a third of the bytes; the speed depends on the CPU."""


def export_network(
    build: Callable[[], Any],
    *,
    shape: tuple[int | None, ...],
    outputs: Callable[[Any], Any],
    advice: str,
    precision: Precision = Precision.FLOAT32,
    calibration: Iterable[Any] = (),
) -> bytes:
    """Returns a network as `.tflite`: uint8 pixels in, the tensors that `outputs` returns out.

    Args:
        build: Returns the `keras.Model`, float32 pixels in `[0, 1]` to tensors.
        shape: Of the pixels, `(B, H, W, 3)`; `None` for a dimension of any length.
        outputs: Maps the results of the network to one tensor, or to tensors by name.
        advice: What to try if the export fails, for the message.
        precision: How numbers are stored and computed.
        calibration: Pixels, for `INT8`.

    Raises:
        DependencyError: TensorFlow cannot be loaded.
        ModelError: The network contains an operation that LiteRT does not have, or `build` raises
            it.
    """
    return _converted(
        lambda tf: _pixel_function(tf, build(), shape=shape, outputs=outputs),
        advice=advice,
        precision=precision,
        calibration=calibration,
    )


def export_named(
    build: "Callable[[], NamedModel]", *, advice: str, precision: Precision = Precision.FLOAT32
) -> bytes:
    """Returns a network as `.tflite`: arrays of one image in, outputs by name out.

    Inputs are `input_0`, `input_1`, ... of the network's types; dimensions that it leaves open may
    change from call to call.

    Args:
        build: Returns the network.
        advice: What to try if the export fails, for the message.
        precision: How numbers are stored; `INT8` is not among them.

    Raises:
        DependencyError: TensorFlow cannot be loaded.
        ModelError: The network contains an operation that LiteRT does not have, or `build` raises
            it.
    """
    return _converted(
        lambda tf: _named_function(tf, build()), advice=advice, precision=precision, calibration=()
    )


def _converted(
    function: Callable[[Any], Any],
    *,
    advice: str,
    precision: Precision,
    calibration: Iterable[Any],
) -> bytes:
    """Returns the `.tflite` of the concrete function that `function` makes with TensorFlow."""
    tf = load_tensorflow()
    # TensorFlow's C++ code looks for GPUs at its first operation, which may be one of `function`.
    with native_output_logged():
        concrete = function(tf)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
        if precision is not Precision.FLOAT32:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision is Precision.FLOAT16:
            converter.target_spec.supported_types = [tf.float16]
        images = list(calibration)
        if precision is Precision.INT8:
            # One image: the converter's ranges are replaced, and its float kernels are slow.
            converter.representative_dataset = lambda: ([array] for array in images[:1])
            converter._experimental_calibrate_only = True
        try:
            content: bytes = converter.convert()
            if precision is Precision.INT8:
                from tracker.inference.quantization import quantized

                content = quantized(content, images)
        except Exception as error:  # the converter has no public error class
            first_line = (str(error).splitlines() or ["no message"])[0]
            raise ConversionError(f"export to LiteRT failed: {first_line}; {advice}") from error
    return content


def _pixel_function(
    tf: Any, network: Any, *, shape: tuple[int | None, ...], outputs: Callable[[Any], Any]
) -> Any:
    """Returns a concrete TensorFlow function that captures no variables."""
    constants = _constants(tf, network)

    def run(pixels: Any) -> Any:
        image = tf.cast(pixels, tf.float32) / 255.0
        results, _ = network.stateless_call(*constants, image, training=False)
        return outputs(results)

    spec = tf.TensorSpec(shape, tf.uint8, name="pixels")
    return tf.function(run, input_signature=[spec]).get_concrete_function()


def _named_function(tf: Any, loaded: "NamedModel") -> Any:
    """Returns a concrete TensorFlow function for one image that captures no variables."""
    import keras

    constants = _constants(tf, loaded.model)

    def run(*arrays: Any) -> Any:
        taken = keras.tree.pack_sequence_as(loaded.taken, list(arrays))
        results, _ = loaded.model.stateless_call(*constants, taken, training=False)
        return dict(zip(loaded.output_names, keras.tree.flatten(results), strict=True))

    specs = [
        tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype, name=input_name(index))
        for index, tensor in enumerate(keras.tree.flatten(loaded.taken))
    ]
    return tf.function(run, input_signature=specs).get_concrete_function()


def input_name(index: int) -> str:
    """Returns the name of an input of a network that `export_named` wrote."""
    return f"input_{index}"


def _constants(tf: Any, network: Any) -> tuple[list[Any], list[Any]]:
    """Returns the trainable and the other weights as constants.

    Exporting variables takes three times as long (42 s against 13 s), because the converter then
    saves and reloads the whole model.
    """
    trainable, fixed = (
        [tf.constant(variable.numpy()) for variable in variables]
        for variables in (network.trainable_variables, network.non_trainable_variables)
    )
    return trainable, fixed


def open_interpreter(
    model: bytes, *, threads: int, advice: str, input_shape: tuple[int, ...] | None = None
) -> Any:
    """Returns an interpreter of a `.tflite` with one input, ready to run.

    Args:
        model: The content of the file.
        threads: CPU threads.
        advice: What to try if LiteRT rejects the model, for the message.
        input_shape: New shape of the input; `None` keeps the model's.

    Raises:
        DependencyError: LiteRT cannot be loaded.
        ModelError: LiteRT rejects the model.
    """
    try:
        # LiteRT's C++ code prints a line about its CPU delegate to standard error.
        with native_output_logged():
            from ai_edge_litert.interpreter import Interpreter

            interpreter = Interpreter(model_content=model, num_threads=threads)
            if input_shape is not None:
                index = interpreter.get_input_details()[0]["index"]
                interpreter.resize_tensor_input(index, input_shape, strict=True)
            interpreter.allocate_tensors()
    except ImportError as error:
        raise DependencyError(f"LiteRT cannot be loaded: {error}") from error
    except (ValueError, RuntimeError) as error:
        raise ModelError(
            f"LiteRT does not accept the exported network: {error}; {advice}"
        ) from error
    return interpreter


def available_cores() -> int:
    """Returns the number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
