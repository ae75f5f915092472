"""`tracker export`: a trained network as a `.tflite` that runs without TensorFlow."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tracker.errors import ConfigError, ModelError, nearest
from tracker.inference.litert import Precision
from tracker.models.files.detector_file import read_description
from tracker.models.files.reid_file import read_reid_description
from tracker.models.files.tflite import SUFFIX
from tracker.sinks.place import Existing, claimed
from tracker.sources.files.video_file import VideoFile
from tracker.training.datasets import read_image
from tracker.training.images import find_images
from tracker.util.arrays import UInt8Array
from tracker.util.terminal import print_status

PICTURES = 100
"""Pictures that integers are scaled by, spread evenly over what is given."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to export, and where to.

    Attributes:
        model: A `.keras` file that `tracker train` wrote.
        output: Path of the `.tflite`.
        precision: Name of a `Precision`.
        pictures: For `int8`: a video, a folder of pictures, a pattern, or a list of files.
        existing: Whether a file that is there may be replaced.
    """

    model: Path
    output: Path
    precision: str = "float16"
    pictures: str | None = None
    existing: Existing = Existing.REPLACE


def run_export(request: ExportRequest) -> None:
    """Writes the export and says how large it is.

    Raises:
        ConfigError: The precision is unknown, or does not fit the other options.
        SourceError: The pictures cannot be read.
        ModelError: The file is missing, damaged, no network of ours, or cannot be exported.
        OutputTakenError: Another process writes the export, or it is there and may not be replaced.
        OutputError: The export cannot be written.
        DependencyError: TensorFlow cannot be loaded.
    """
    precision = _precision(request)
    if request.output.suffix != SUFFIX:
        raise ConfigError(f"{request.output}: expected a name that ends in {SUFFIX}")
    with claimed(str(request.output), request.existing):
        _export(request, precision)
    size = request.output.stat().st_size
    print_status(f"written     {request.output} ({size / 1e6:.1f} MB)")


def _export(request: ExportRequest, precision: Precision) -> None:
    if _is_detector(request.model):
        from tracker.detection.export import export_detector

        calibration = () if request.pictures is None else _pictures(request.pictures)
        export_detector(request.model, request.output, precision=precision, calibration=calibration)
    else:
        from tracker.embedding.export import export_embedder

        export_embedder(request.model, request.output, precision=precision)


def _precision(request: ExportRequest) -> Precision:
    known = [precision.value for precision in Precision]
    if request.precision not in known:
        raise ConfigError(
            f"--precision: expected one of {', '.join(known)}, got {request.precision!r}"
            f"{nearest(request.precision, known)}"
        )
    precision = Precision(request.precision)
    if (precision is Precision.INT8) != (request.pictures is not None):
        raise ConfigError(
            "--precision int8 needs --pictures, a video or folder like what will come, and no "
            f"other precision does; got {request.precision} and pictures {request.pictures}"
        )
    return precision


def _is_detector(path: Path) -> bool:
    """Returns whether a file is a detector; otherwise it is an appearance network.

    Raises:
        ModelError: It is neither.
    """
    try:
        read_description(path)
    except ModelError as error:
        try:
            read_reid_description(path)
        except ModelError:
            raise error from None
        return False
    return True


def _pictures(text: str) -> Iterator[UInt8Array]:
    """Returns pictures `(H, W, 3)` uint8 RGB, evenly spread over what a word names.

    Raises:
        SourceError: It names nothing, or cannot be read.
    """
    found = find_images([text])
    stride = max(1, len(found.images) // PICTURES)
    for path in found.images[::stride][:PICTURES]:
        yield read_image(path)
    for video in found.videos:
        with VideoFile(video) as source:
            count = source.info.frame_count
        with VideoFile(video, stride=max(1, (count or 0) // PICTURES)) as source:
            yield from (frame.image for _, frame in zip(range(PICTURES), source, strict=False))
