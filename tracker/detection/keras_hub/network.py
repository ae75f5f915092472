"""Object detectors of KerasHub as networks from pixels to candidates."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from tracker.detection.batch_by_size import PreparedSizes
from tracker.detection.image_input import Fit, ImageInput
from tracker.detection.keras_hub.preset import LoadedPreset, load_keras_hub
from tracker.errors import ConfigError, ModelError
from tracker.inference.captured_stderr import native_output_logged
from tracker.inference.checked_call import Arrays, run_network
from tracker.inference.network import AxisOrder, TensorSpec
from tracker.inference.stored_names import NOTHING_STORED, StoredFacts
from tracker.inference.tensorflow import load_tensorflow

_STRIDE = 32
"""Sides of RetinaNet's input are multiples of this, as in torchvision, whose weights KerasHub's
presets hold."""

_LONG_SIDE = 640
"""Long side in pixels where neither the preset nor the user names one."""


class KerasHubNetwork:
    """The network of an object detector of KerasHub, without its suppression.

    Input: pixels uint8 `(B, h, w, 3)`. Outputs: boxes `(B, N, 4)` float32 xyxy in pixels of the
    input, scores `(B, N)` float32 of the best class, classes `(B, N)` int32.

    Args:
        preset: A `keras_hub.models.RetinaNetObjectDetector` or `DFineObjectDetector`; the network
            changes it in place.
        device: TensorFlow's name of the device to run on.

    Raises:
        ModelError: It is of another kind, or prepares or decodes images in a way of its own.
    """

    inputs = (TensorSpec("pixels", (None, None, None, 3), "uint8"),)
    outputs = (
        TensorSpec("boxes", (None, None, 4), "float32"),
        TensorSpec("scores", (None, None), "float32"),
        TensorSpec("classes", (None, None), "int32"),
    )

    def __init__(self, preset: LoadedPreset, *, device: str) -> None:
        keras_hub, task = load_keras_hub(), preset.task
        models = keras_hub.models
        if not isinstance(task, models.RetinaNetObjectDetector | models.DFineObjectDetector):
            raise ModelError(f"preset: expected RetinaNet or D-FINE, got {type(task).__name__}")
        decoder = task.prediction_decoder
        if not isinstance(decoder, keras_hub.layers.NonMaxSuppression):
            raise ModelError(
                "preset: expected keras_hub.layers.NonMaxSuppression as its prediction decoder, "
                f"got {type(decoder).__name__}"
            )
        self._is_dfine = isinstance(task, models.DFineObjectDetector)
        self._converter = _converter(task, models.Preprocessor)
        self._converter_size = None if self._converter is None else self._converter.image_size
        if self._converter is not None:
            self._converter.image_size = None  # Images come in the right size.
        # D-FINE returns yxyx, whatever bounding box format it was given.
        self._box_format = "yxyx" if self._is_dfine else task.bounding_box_format
        task.prediction_decoder = _BestClass(decoder)
        self._task, self._digests = task, preset.digests
        self._tf, self._device = load_tensorflow(), device
        self._functions = PreparedSizes[Any]()

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 by name of what defines the network; see `preset.preset_digest`."""
        return self._digests

    @property
    def stored(self) -> StoredFacts:
        """Empty: a preset stores neither class names nor a task."""
        return NOTHING_STORED

    @property
    def class_count(self) -> int:
        """Number of classes."""
        return int(self._task.num_classes)

    def image_input(self, long_side: int | None) -> ImageInput:
        """Returns what the network is given: RGB pixels as they are, of which size and fit.

        D-FINE's anchors are of one size. Its published presets would crop the sides of an image,
        but their weights were trained on whole, stretched images, as `layouts.detr` gives them.
        Where RetinaNet's preset would crop, the image is letterboxed.

        Args:
            long_side: Long side in pixels of the input that the user asked for.

        Raises:
            ConfigError: The network cannot take this size.
            ModelError: It takes no images with three channels last.
        """
        size, fit = self._fixed_size(), Fit.LETTERBOX
        if self._is_dfine or self._stretches():
            fit = Fit.STRETCH
            size = size or self._converter_size
        longest = _LONG_SIDE if self._converter_size is None else max(self._converter_size)
        if size is None and long_side is None and longest % _STRIDE:
            size = self._converter_size
        if size is not None and long_side not in (None, max(size)):
            raise ConfigError(
                f"input size {long_side}: the preset takes {size[1]}x{size[0]} only; leave --imgsz "
                "out"
            )
        return ImageInput(
            size=None if size is None else (int(size[0]), int(size[1])),
            long_side=longest - longest % _STRIDE if long_side is None else long_side,
            stride=_STRIDE,
            fit=fit,
            padding=0,  # KerasHub's own letterboxing is black.
            axes=AxisOrder.NHWC,
            scale=1.0,
            dtype="uint8",
        )

    def run(self, arrays: Arrays) -> list[NDArray[Any]]:
        """Returns the outputs, in the order of `outputs`; a new input size is compiled first.

        Raises:
            ModelError: The arrays do not fit the inputs, or the network fails.
        """
        return run_network(
            self._call,
            arrays,
            what="network of KerasHub",
            inputs=self.inputs,
            outputs=self.outputs,
        )

    def _call(self, arrays: Arrays) -> list[NDArray[Any]]:
        (pixels,) = arrays
        size = pixels.shape[1:3]
        with self._tf.device(self._device):
            self._functions.start(size, self._compiled)
            outputs = self._functions.of(size)(self._tf.constant(pixels))
        return [output.numpy() for output in outputs]

    def _compiled(self, size: tuple[int, int]) -> Any:
        """Returns the network as a TensorFlow function for an input height and width in pixels."""
        import keras

        tf, task = self._tf, self._task

        def run(pixels: Any) -> tuple[Any, Any, Any]:
            pixels = tf.cast(pixels, tf.float32)
            images = pixels if self._converter is None else self._converter(pixels)
            found = task.decode_predictions(task(images, training=False), images)
            boxes = keras.utils.bounding_boxes.convert_format(
                found["boxes"],
                source=self._box_format,
                target="xyxy",
                height=size[0],
                width=size[1],
            )
            return (
                tf.cast(boxes, tf.float32),
                tf.cast(found["confidence"], tf.float32),
                tf.cast(found["labels"], tf.int32),
            )

        spec = tf.TensorSpec((None, *size, 3), tf.uint8, name="pixels")
        with native_output_logged():
            return tf.function(run, input_signature=[spec]).get_concrete_function()

    def _fixed_size(self) -> tuple[int, int] | None:
        """Returns the only height and width that the network takes, if there is one."""
        height, width, channels = self._task.inputs[0].shape[1:]
        if channels != 3:
            raise ModelError(
                f"preset: expected an input (h, w, 3), got ({height}, {width}, {channels})"
            )
        if self._is_dfine:
            height, width = self._task.backbone.anchor_image_size
        return None if height is None or width is None else (height, width)

    def _stretches(self) -> bool:
        """Returns whether the preset resizes images without keeping their aspect."""
        converter = self._converter
        if converter is None or self._converter_size is None:
            return False
        return not (converter.crop_to_aspect_ratio or converter.pad_to_aspect_ratio)


class _BestClass:
    """Replaces KerasHub's suppression; it returns all candidates.

    Args:
        decoder: The suppression, for its box format and for whether scores are logits.
    """

    def __init__(self, decoder: Any) -> None:
        self.bounding_box_format = decoder.bounding_box_format
        self._from_logits = decoder.from_logits

    def __call__(self, boxes: Any, scores: Any, images: Any = None) -> dict[str, Any]:
        from keras import ops

        best = ops.max(scores, axis=-1)
        return {
            "boxes": boxes,
            "confidence": ops.sigmoid(best) if self._from_logits else best,
            "labels": ops.argmax(scores, axis=-1),
        }


def _converter(task: Any, preprocessor_class: Any) -> Any | None:
    """Returns the image converter of a preset; `None` if it has none.

    Raises:
        ModelError: Its images are prepared by another class than a `Preprocessor`.
    """
    preprocessor = task.preprocessor
    if preprocessor is None:
        return None
    if not isinstance(preprocessor, preprocessor_class):
        raise ModelError(
            f"preset: expected a keras_hub.models.Preprocessor, got {type(preprocessor).__name__}"
        )
    return preprocessor.image_converter
