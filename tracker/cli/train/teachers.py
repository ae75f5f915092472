"""Opens the teachers of `tracker train labels`: any detector of `tracker run`."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from tracker.cli.train.teacher_config import TeacherConfig
from tracker.config.build_detector import build_detector
from tracker.config.run import Config, DetectorConfig
from tracker.detection.model_detector import ModelDetector
from tracker.detection.nms import NmsSettings
from tracker.detection.slice_grid import OFF
from tracker.detection.sliced import innermost
from tracker.detection.yolo_detector import DetectorSettings
from tracker.detections import TimedDetector
from tracker.errors import ConfigError, ModelError
from tracker.inference.devices import check_threads
from tracker.training.labels.teachers import (
    CANDIDATES,
    DetectorTeacher,
    MirroredTeacher,
    Teacher,
    input_side,
    takes_any_size,
)
from tracker.util.address import shown_address

_SSD, _SSD_CLASSES = "ssd", ("person",)
"""Layout of networks whose files hold no class names, and what they usually find."""


@dataclass(frozen=True, slots=True)
class TeacherOptions:
    """How all teachers are run.

    Attributes:
        sizes: Long sides in pixels; a network that takes any size and has none of its own is a
            teacher at each of them.
        names: File of class names for darknet and OpenVINO networks that have no `.names` file of
            their own name beside them.
        threads: CPU threads.
        candidates: What a teacher hands on to the fusion.

    Raises:
        ConfigError: A size or the number of threads is below 1, or a size comes twice.
    """

    sizes: tuple[int, ...] = ()
    names: Path | None = None
    threads: int = 1
    candidates: NmsSettings = CANDIDATES

    def __post_init__(self) -> None:
        check_threads(self.threads)
        if len(set(self.sizes)) != len(self.sizes) or not all(size > 0 for size in self.sizes):
            raise ConfigError(f"sizes: expected different ones above 0, got {list(self.sizes)}")


@dataclass(frozen=True, slots=True)
class OpenedTeacher:
    """A teacher, and which files it is.

    Attributes:
        teacher: The teacher.
        digest: SHA-256 of its files, joined by a plus, and what else decides its detections and is
            not in its name.
        weight: Its weight in the fusion; `None` where its own settings have none.
    """

    teacher: Teacher
    digest: str
    weight: float | None = None


def open_teachers(
    entries: Sequence[TeacherConfig], options: TeacherOptions | None = None
) -> tuple[OpenedTeacher, ...]:
    """Returns the teachers of a configuration: one for each entry, or for each of its sizes.

    Args:
        entries: The teachers.
        options: How all of them are run.

    Raises:
        ModelError: A file is missing, damaged, or of no known kind.
        ConfigError: An option does not apply to a detector, or it is not known.
        DependencyError: The library that runs it is not installed.
    """
    options = options or TeacherOptions()
    opened = []
    is_any = False
    for entry in entries:
        first = _built(entry, options)
        is_resized = entry.size is None and takes_any_size(first) and bool(options.sizes)
        is_any |= is_resized
        sized = [replace(entry, size=size) for size in options.sizes] if is_resized else [entry]
        opened += [_opened(one, options, None if is_resized else first) for one in sized]
    if options.sizes and entries and not is_any:
        raise ConfigError(
            f"sizes: expected none, got {list(options.sizes)}: all of these teachers have one "
            "size of their own"
        )
    return tuple(opened)


def _opened(
    entry: TeacherConfig, options: TeacherOptions, first: TimedDetector | None
) -> OpenedTeacher:
    """Returns the teacher of an entry; `first` is its detector where it was built before."""
    first = first or _built(entry, options)
    classes = entry.classes
    if classes is None and _names_of(entry, options) is None and _is_ssd(entry, first):
        classes = _SSD_CLASSES
    try:
        teacher: Teacher = DetectorTeacher(
            _first_then(first, partial(_built, entry, options)),
            _name(entry, input_side(first)),
            classes=classes,
            candidates=options.candidates,
        )
    except ConfigError as error:
        raise ConfigError(f"teacher {shown_address(entry.detector)}: {error}") from error
    if entry.flip:
        teacher = MirroredTeacher(teacher, entry.name)
    return OpenedTeacher(teacher, _digest(entry, options, first), entry.weight)


def _first_then(
    first: TimedDetector, load: Callable[[], TimedDetector]
) -> Callable[[], TimedDetector]:
    """Returns a function that returns `first` once, then new detectors."""
    left = [first]
    return lambda: left.pop() if left else load()


def _built(entry: TeacherConfig, options: TeacherOptions) -> TimedDetector:
    candidates = options.candidates
    network = DetectorSettings(
        confidence=candidates.confidence,
        iou=candidates.iou,
        max_detections=candidates.max_detections,
        nms_mode=candidates.mode,
        input_size=entry.size,
        threads=options.threads,
    )
    detector = DetectorConfig(
        name=entry.detector,
        weights=entry.weights_file,
        names=_names_of(entry, options),
        slices=entry.slices,
        model=entry.model,
        network=network,
    )
    try:
        return build_detector(Config(detector=detector))
    except (ConfigError, ModelError) as error:
        raise type(error)(f"teacher {shown_address(entry.detector)}: {error}") from error


def _names_of(entry: TeacherConfig, options: TeacherOptions) -> str | None:
    """Returns the file of an entry's class names: its own, one beside it, or that of all."""
    path = Path(entry.detector)
    if entry.names is not None or path.suffix.lower() not in {".cfg", ".xml"}:
        return entry.names
    beside = path.with_suffix(".names")
    if beside.is_file():
        return str(beside)
    return None if options.names is None else str(options.names)


def _is_ssd(entry: TeacherConfig, detector: TimedDetector) -> bool:
    inner = innermost(detector)
    is_xml = entry.detector.lower().endswith(".xml")
    return is_xml and isinstance(inner, ModelDetector) and inner.layout_name == _SSD


def _name(entry: TeacherConfig, side: int | None) -> str:
    """Returns a teacher's name, without what mirroring adds to it."""
    if entry.name is not None:
        return entry.name
    path = Path(entry.detector)
    stem = path.stem if path.is_file() else re.sub(r"[^\w.+-]+", "-", entry.detector).strip("-.")
    if side is not None and not stem.endswith(f"-{side}"):
        stem = f"{stem}-{side}"
    return stem if entry.slices == OFF else f"{stem}-{entry.slices}"


def _digest(entry: TeacherConfig, options: TeacherOptions, detector: TimedDetector) -> str:
    """Returns what decides a teacher's detections beside its name."""
    default = TeacherConfig(entry.detector)
    names = ["classes", "names", "weights_file", "model"]
    # An automatic name contains these.
    names += ["size", "flip", "slices"] if entry.name is not None else []
    values: dict[str, Any] = {
        name: getattr(entry, name)
        for name in names
        if getattr(entry, name) != getattr(default, name)
    }
    if options.candidates != CANDIDATES:
        values["candidates"] = options.candidates
    words = ["+".join(detector.digests.values())]
    if values:
        words.append(json.dumps(to_jsonable_python(values), sort_keys=True))
    return " ".join(words)
