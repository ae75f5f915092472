"""Detectors of this package as one `.tflite` for every input size.

Boxes and classes of a map are outputs of their own: joined, they would share one scale as integers,
which is far too coarse for the classes.
"""

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from tracker.detection.letterbox import letterbox, letterbox_geometry
from tracker.errors import ConfigError
from tracker.inference.litert import Precision, export_network
from tracker.models.backbones.names import SHUFFLENETS
from tracker.models.files.detector_file import (
    DETECTOR_FILE,
    DetectorDescription,
    HeadStyle,
    build_detector,
    load_detector,
    read_description,
)
from tracker.models.files.tflite import write_exported
from tracker.util.arrays import UInt8Array

CALIBRATION_SIDE = 320
"""Images are seen at this size to find the ranges of integers; the ranges hold for all sizes."""

_ADVICE = "use the .keras file itself"


def part_names(index: int) -> tuple[str, str]:
    """Returns the names of the outputs that hold the boxes and the classes of a map."""
    return f"map_{index}_box", f"map_{index}_class"


def export_detector(
    path: str | PathLike[str],
    out: Path,
    *,
    precision: Precision = Precision.FLOAT16,
    calibration: Iterable[UInt8Array] = (),
) -> None:
    """Writes the `.tflite` of a detector.

    Args:
        path: The `.keras` file.
        out: Where to; its name ends in `.tflite`.
        precision: How numbers are stored and computed.
        calibration: For `INT8`: images `(H, W, 3)` uint8 RGB like those that will come; a
            hundred varied ones are plenty.

    Raises:
        ConfigError: `INT8` without an image.
        ModelError: The file is missing, damaged, no detector of this package, or cannot be
            exported.
        OutputError: The export cannot be written.
        DependencyError: TensorFlow cannot be loaded.
    """
    description = read_description(path)
    seen = calibration if precision is Precision.INT8 else ()
    inputs = [_input(image, description.stretch) for image in seen]
    if precision is Precision.INT8 and not inputs:
        raise ConfigError("int8: expected images to calibrate with, got none; give --pictures")
    names = [name for index in range(len(description.strides)) for name in part_names(index)]
    graph = export_network(
        lambda: _in_parts(load_detector(path), description),
        shape=(1, None, None, 3),
        outputs=lambda results: dict(zip(names, results, strict=True)),
        advice=_ADVICE,
        precision=precision,
        calibration=inputs,
    )
    write_exported(out, graph, DETECTOR_FILE.text(description))


def _input(image: UInt8Array, stretch: float) -> UInt8Array:
    """Returns `(1, S, S, 3)` uint8."""
    side = (CALIBRATION_SIDE, CALIBRATION_SIDE)
    geometry = letterbox_geometry(image.shape[:2], side, stretch=stretch)
    return np.asarray(letterbox(image, geometry))[None]


def _in_parts(network: Any, description: DetectorDescription) -> Any:
    """Returns the network for any multiples of 32, with boxes and classes of each map apart."""
    import keras

    if description.backbone in SHUFFLENETS:
        network = _without_shuffles(network, description)
    parts = [
        network.get_layer(f"map_{stride}_{kind}_out").output
        for stride in description.strides
        for kind in ("box", "class")
    ]
    whole = keras.Model(network.input, parts)
    model = keras.models.clone_model(whole, clone_function=_resizable)
    model.set_weights(whole.get_weights())
    return model


def _without_shuffles(network: Any, description: DetectorDescription) -> Any:
    """Returns the same function with slices of channels in place of shuffles."""
    from tracker.models.backbones.shufflenet_sliced import (
        SlicedFeatures,
        copy_permuted,
        sliced_features,
    )

    built: list[SlicedFeatures] = []

    def features(image: Any) -> list[Any]:
        built.append(sliced_features(image, description.backbone))
        return built[0].levels

    sliced = build_detector(description, features=features)
    prefix = "neck_reduce_" if description.style is HeadStyle.INTEGRAL else "lateral"
    readers = {f"{prefix}{level}_conv": order for level, order in enumerate(built[0].orders)}
    copy_permuted(sliced, network, {**built[0].kernels, **readers})
    return sliced


def _resizable(layer: Any) -> Any:
    """Returns a layer like this one, that LiteRT can give another input size."""
    import keras

    from tracker.models.doubling import doubled_bilinear, doubled_nearest

    if not isinstance(layer, keras.layers.UpSampling2D):
        return layer.__class__.from_config(layer.get_config())
    doubled = doubled_bilinear if layer.interpolation == "bilinear" else doubled_nearest
    return keras.layers.Lambda(doubled, name=layer.name)
