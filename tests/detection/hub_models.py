"""SavedModels with the signatures of published detectors, and networks inside that can be foreseen.

Each finds, colour by colour, the smallest rectangle around the pixels that are bright in red, green
or blue: classes 0, 1 and 2 with the scores of `SCORES`. What an image has none of is not found.
"""

from pathlib import Path

import numpy as np

SCORES = (0.9, 0.8, 0.7)
"""Of red, green and blue."""

CLASS_COUNT = 90
MASK_SIDE = 33
YOLO_SIDE = 96
YOLO_ANCHORS = 3 * (12 * 12 + 6 * 6 + 3 * 3)
YOLO_ROWS = (250, 17, 100)
"""Rows of red, green and blue among those of all anchors."""


def write_object_detection(
    folder: Path, *, rows: int, raw_rows: int, with_masks: bool = False
) -> Path:
    """Writes what TensorFlow's Object Detection API exports: SSD, EfficientDet, Faster R-CNN.

    Args:
        folder: Where to.
        rows: Detections that it lists, found or not: 100 for SSD, 300 for Faster R-CNN.
        raw_rows: Boxes before suppression, which nobody needs.
        with_masks: Whether it lists masks too, as Mask R-CNN does.
    """
    import tensorflow as tf

    def network(input_tensor):
        image = tf.cast(input_tensor, tf.float32) / 255
        boxes, is_there = bright_boxes(image[0])
        order = tf.argsort(tf.where(is_there, SCORES, 0.0), direction="DESCENDING")
        boxes = tf.gather(tf.where(is_there[:, None], boxes, 0.0), order)
        scores = tf.gather(tf.where(is_there, SCORES, 0.0), order)
        padding = [[0, rows - 3]]
        listed = tf.pad(boxes, [*padding, [0, 0]])[None]
        # Rows that mean nothing have class 1 and a score in published networks, too.
        classes = tf.pad(tf.cast(order, tf.float32) + 1, padding, constant_values=1)
        outputs = {
            "detection_anchor_indices": tf.zeros((1, rows)),
            "detection_boxes": listed,
            "detection_classes": classes[None],
            "detection_multiclass_scores": tf.ones((1, rows, CLASS_COUNT + 1)),
            "detection_scores": tf.pad(scores, padding, constant_values=0.95)[None],
            "num_detections": tf.reduce_sum(tf.cast(is_there, tf.float32))[None],
            "raw_detection_boxes": tf.fill((1, raw_rows, 4), 0.5),
            "raw_detection_scores": tf.ones((1, raw_rows, CLASS_COUNT + 1)),
        }
        if with_masks:
            masks = tf.image.crop_and_resize(
                tf.transpose(tf.gather(image, order, axis=3), (3, 1, 2, 0)),
                boxes,
                tf.range(3),
                (MASK_SIDE, MASK_SIDE),
            )
            outputs["detection_masks"] = tf.pad(
                masks[..., 0], [*padding, [0, 0], [0, 0]], constant_values=1
            )[None]
        return outputs

    spec = tf.TensorSpec((1, None, None, 3), tf.uint8, name="input_tensor")
    return _save(folder, tf.function(network, input_signature=[spec]))


def write_yolov5(folder: Path) -> Path:
    """Writes what YOLOv5 exports: one row an anchor, centre and size as shares, 80 classes."""
    import tensorflow as tf

    def network(images):
        boxes, is_there = bright_boxes(images[0])
        top, left, bottom, right = tf.unstack(boxes, axis=1)
        centred = tf.stack(
            [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], axis=1
        )
        objectness = tf.where(is_there, SCORES, 0.0)[:, None]
        found = tf.concat([centred, objectness, tf.eye(3, 80)], axis=1)
        anchors = tf.scatter_nd(np.array(YOLO_ROWS)[:, None], found, (YOLO_ANCHORS, 85))
        return {"output_0": anchors[None]}

    spec = tf.TensorSpec((1, YOLO_SIDE, YOLO_SIDE, 3), name="x")
    return _save(folder, tf.function(network, input_signature=[spec]))


def bright_boxes(image):
    """Returns `(3, 4)` top, left, bottom, right as shares, and whether there is such a colour.

    Args:
        image: Tensor `(H, W, 3)` in `[0, 1]`.
    """
    import tensorflow as tf

    is_bright = image > 0.5

    def span(axis):
        """First and last bright line along an axis, for each colour."""
        lines = tf.cast(tf.reduce_any(is_bright, axis=axis), tf.int32)
        count = tf.shape(lines)[0]
        first = tf.argmax(lines, axis=0, output_type=tf.int32)
        last = count - tf.argmax(lines[::-1], axis=0, output_type=tf.int32)
        return tf.cast(first / count, tf.float32), tf.cast(last / count, tf.float32)

    (top, bottom), (left, right) = span(1), span(0)
    is_there = tf.reduce_any(is_bright, axis=(0, 1))
    return tf.stack([top, left, bottom, right], axis=1), is_there


def _save(folder: Path, function) -> Path:
    import tensorflow as tf

    module = tf.Module()
    module.serve = function
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    return folder
