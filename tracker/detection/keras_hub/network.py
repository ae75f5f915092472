"""Object detectors of KerasHub as functions from pixels to candidates."""

from typing import Any

from tracker.detection.keras_hub.preset import load_keras_hub
from tracker.detection.picture_input import Fit, PictureInput
from tracker.errors import ConfigError, ModelError
from tracker.inference.network import AxisOrder
from tracker.inference.tensorflow import load_tensorflow

_STRIDE = 32
"""Sides of RetinaNet's input are multiples of this, as in torchvision, whose weights KerasHub's
presets hold."""

_LONG_SIDE = 640
"""Long side in pixels where neither the preset nor the user names one."""


class KerasHubNetwork:
    """The network of an object detector of KerasHub, without its suppression.

    Args:
        task: A `keras_hub.models.RetinaNetObjectDetector` or `DFineObjectDetector`; it belongs to
            the network from now on.

    Raises:
        ModelError: It is of another kind, or prepares or decodes pictures in a way of its own.
    """

    def __init__(self, task: Any) -> None:
        keras_hub = load_keras_hub()
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
            self._converter.image_size = None  # Pictures come in the right size.
        # D-FINE returns yxyx, whatever bounding box format it was given.
        self._box_format = "yxyx" if self._is_dfine else task.bounding_box_format
        task.prediction_decoder = _BestClass(decoder)
        self._task = task

    @property
    def class_count(self) -> int:
        """Number of classes."""
        return int(self._task.num_classes)

    def picture_input(self, long_side: int | None) -> PictureInput:
        """Returns what the network is given: RGB pixels as they are, of which size and fit.

        D-FINE's anchors are of one size. Its published presets would cut the sides of a picture
        off, but their weights were trained on whole, stretched pictures, as `layouts.detr` gives
        them. Where RetinaNet's preset would cut, the picture is letterboxed.

        Args:
            long_side: Long side in pixels of the input that the user asked for.

        Raises:
            ConfigError: The network cannot take this size.
            ModelError: It takes no pictures of three colours, colours last.
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
        return PictureInput(
            size=None if size is None else (int(size[0]), int(size[1])),
            long_side=longest - longest % _STRIDE if long_side is None else long_side,
            stride=_STRIDE,
            fit=fit,
            padding=0,  # KerasHub's own letterboxing is black.
            axes=AxisOrder.NHWC,
            scale=1.0,
            dtype="uint8",
        )

    def compiled(self, size: tuple[int, int]) -> Any:
        """Returns a TensorFlow function of pixels uint8 `(B, h, w, 3)`.

        It gives boxes `(B, N, 4)` float32 xyxy in pixels of the input, scores `(B, N)` float32 of
        the best class, and classes `(B, N)` int32.

        Args:
            size: Height and width in pixels of the input.
        """
        import keras

        tf, task = load_tensorflow(), self._task

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
        return tf.function(run, input_signature=[spec])

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
        """Returns whether the preset brings pictures to its size whatever becomes of the aspect."""
        converter = self._converter
        if converter is None or self._converter_size is None:
            return False
        return not (converter.crop_to_aspect_ratio or converter.pad_to_aspect_ratio)


class _BestClass:
    """Stands where KerasHub's suppression stands, and hands all candidates on.

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
    """Returns what scales the pixels of a preset, or `None` where nothing does.

    Raises:
        ModelError: Its pictures are prepared by something that cannot be taken apart.
    """
    preprocessor = task.preprocessor
    if preprocessor is None:
        return None
    if not isinstance(preprocessor, preprocessor_class):
        raise ModelError(
            f"preset: expected a keras_hub.models.Preprocessor, got {type(preprocessor).__name__}"
        )
    return preprocessor.image_converter
