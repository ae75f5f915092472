"""ncnn detectors as one `.tflite` for every input size, with what their outputs mean.

Layout, preprocessing and class names are those that a run of the `.param` would use; they are in
the archive after the graph, so that the file needs neither the `.param` nor a file beside it.
"""

from os import PathLike
from pathlib import Path

from tracker.detection.default_names import Names
from tracker.detection.load import declared_names, detector_of_network
from tracker.detection.model_choice import ARCHIVED, declaration_text, read_declaration
from tracker.detection.yolo_detector import DetectorSettings
from tracker.errors import ConfigError
from tracker.inference.litert import Precision
from tracker.models.files.tflite import write_exported
from tracker.models.ncnn.files import read_ncnn_files
from tracker.models.ncnn.network import ExportedNcnnNetwork, export_ncnn


def export_ncnn_detector(
    path: str | PathLike[str],
    out: Path,
    *,
    weights: str | PathLike[str] | None = None,
    names: Names | None = None,
    precision: Precision = Precision.FLOAT16,
) -> None:
    """Writes the `.tflite` of an ncnn detector.

    Args:
        path: The `.param` file; the file `NAME.yaml` beside it says what its outputs do not.
        out: Where to; its name ends in `.tflite`.
        weights: The `.bin` file; `None` for the one of the same name beside it.
        names: File of class names, one a line, or the names; `None` takes those of the file beside
            the model, else those that are usual for their number.
        precision: How weights are stored.

    Raises:
        ConfigError: `INT8`.
        ModelError: A file is missing or malformed, a layer is not supported, or the outputs are of
            no known layout.
        OutputError: The export cannot be written.
        DependencyError: TensorFlow or LiteRT cannot be loaded.
    """
    if precision is Precision.INT8:
        raise ConfigError(
            f"{path}: int8 is for detectors of this package; an ncnn network is exported as "
            "float16 or float32"
        )
    files = read_ncnn_files(path, weights)
    declared = read_declaration(path)
    graph = export_ncnn(files, precision=precision)
    detector = detector_of_network(
        ExportedNcnnNetwork(files, graph),
        path,
        names=declared_names(declared) if names is None else names,
        choice=declared.choice,
        settings=DetectorSettings(),
    )
    text = declaration_text(detector.layout_name, detector.image_input, detector.class_names)
    write_exported(out, graph, text, member=ARCHIVED)
