"""`tracker export`: writes a trained or an ncnn network as a `.tflite` that needs no TensorFlow."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tracker.errors import ConfigError, ModelError, nearest
from tracker.inference.litert import Precision
from tracker.models.files.detector_file import read_description
from tracker.models.files.reid_file import read_reid_description
from tracker.models.files.segmenter_file import read_segmenter_description
from tracker.models.files.tflite import SUFFIX
from tracker.models.ncnn.files import SUFFIX as NCNN_SUFFIX
from tracker.sinks.place import Existing, claimed
from tracker.sources.files.video_file import VideoFile
from tracker.training.datasets import read_image
from tracker.training.images import find_images
from tracker.util.arrays import UInt8Array
from tracker.util.terminal import print_status

CALIBRATION_IMAGES = 100
"""Images that int8 quantisation is calibrated with, at most; evenly spaced in the input."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to export, and the output file.

    Attributes:
        model: A `.keras` file that `tracker train` wrote, or the `.param` of an ncnn detector.
        output: Path of the `.tflite`.
        precision: Name of a `Precision`.
        pictures: Calibration images for `int8`: a video, a folder, a pattern, or a list of files.
        existing: Whether an existing file may be replaced.
        weights: The `.bin` of a `.param`; `None` for the one of the same name beside it.
        names: File of class names for a `.param`, one a line; `None` takes those of the file beside
            it, else those that are usual for their number.
    """

    model: Path
    output: Path
    precision: str = "float16"
    pictures: str | None = None
    existing: Existing = Existing.REPLACE
    weights: str | None = None
    names: str | None = None


def run_export(request: ExportRequest) -> None:
    """Writes the exported network and prints its size.

    Raises:
        ConfigError: The precision is unknown, or options do not fit each other or the network.
        SourceError: The calibration images cannot be read.
        ModelError: The file is missing, damaged, or no network that can be
            exported.
        OutputTakenError: Another process writes the output, or it exists and may not be replaced.
        OutputError: The output cannot be written.
        DependencyError: TensorFlow cannot be loaded.
    """
    precision = _checked_precision(request)
    _check_no_extra_files(request)
    if request.output.suffix != SUFFIX:
        raise ConfigError(f"{request.output}: expected a name that ends in {SUFFIX}")
    with claimed(str(request.output), request.existing):
        _write_export(request, precision)
    size = request.output.stat().st_size
    print_status(f"written     {request.output} ({size / 1e6:.1f} MB)")


def _write_export(request: ExportRequest, precision: Precision) -> None:
    kind = _kind(request.model)
    calibration = () if request.pictures is None else _calibration_images(request.pictures)
    if kind == "ncnn":
        from tracker.detection.export_ncnn import export_ncnn_detector

        export_ncnn_detector(
            request.model,
            request.output,
            weights=request.weights,
            names=request.names,
            precision=precision,
        )
    elif kind == "detector":
        from tracker.detection.export import export_detector

        export_detector(request.model, request.output, precision=precision, calibration=calibration)
    elif kind == "segmenter":
        from tracker.segmentation.crop_segmenter import export_segmenter_file

        export_segmenter_file(
            request.model, request.output, precision=precision, calibration=calibration
        )
    else:
        from tracker.embedding.export import export_embedder

        export_embedder(request.model, request.output, precision=precision)


def _checked_precision(request: ExportRequest) -> Precision:
    known = [precision.value for precision in Precision]
    if request.precision not in known:
        raise ConfigError(
            f"--precision: expected one of {', '.join(known)}, got {request.precision!r}"
            f"{nearest(request.precision, known)}"
        )
    precision = Precision(request.precision)
    if (precision is Precision.INT8) != (request.pictures is not None):
        raise ConfigError(
            "--precision int8 needs --pictures, a video or folder of typical input, and no other "
            f"precision takes it; got {request.precision} and --pictures {request.pictures}"
        )
    return precision


def _check_no_extra_files(request: ExportRequest) -> None:
    """Checks that weights or names are given for an ncnn network only.

    Raises:
        ConfigError: They are given for another file.
    """
    for option in ("weights", "names"):
        value = getattr(request, option)
        if value is not None and not _is_ncnn(request.model):
            raise ConfigError(
                f"--{option} {value}: only an ncnn .param takes it; {request.model} contains its "
                "weights and class names; leave it out"
            )


def _is_ncnn(path: Path) -> bool:
    return path.suffix.lower() == NCNN_SUFFIX


def _kind(path: Path) -> str:
    """Returns what a file holds: an ncnn network, a detector, an appearance network or a segmenter.

    Raises:
        ModelError: It is none of them.
    """
    if _is_ncnn(path):
        return "ncnn"
    try:
        read_description(path)
    except ModelError as error:
        for kind, read in (
            ("embedder", read_reid_description),
            ("segmenter", read_segmenter_description),
        ):
            with contextlib.suppress(ModelError):
                read(path)
                return kind
        raise error from None
    return "detector"


def _calibration_images(text: str) -> Iterator[UInt8Array]:
    """Yields up to `CALIBRATION_IMAGES` images `(H, W, 3)` uint8 RGB, evenly spaced in the input.

    Raises:
        SourceError: The input does not exist or cannot be read.
    """
    found = find_images([text])
    stride = max(1, len(found.images) // CALIBRATION_IMAGES)
    for path in found.images[::stride][:CALIBRATION_IMAGES]:
        yield read_image(path)
    for video in found.videos:
        with VideoFile(video) as source:
            count = source.info.frame_count
        with VideoFile(video, stride=max(1, (count or 0) // CALIBRATION_IMAGES)) as source:
            yield from (
                frame.image for _, frame in zip(range(CALIBRATION_IMAGES), source, strict=False)
            )
