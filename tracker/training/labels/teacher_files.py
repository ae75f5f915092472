"""Teachers from files: what lies in a file decides what kind of teacher it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import MappingProxyType

from tracker.errors import ConfigError, ModelError
from tracker.inference.onnx_network import onnx_session
from tracker.models.files.class_names import read_class_names
from tracker.models.files.digest import file_digest
from tracker.training.labels.teachers import FastestDetTeacher, NanoDetTeacher, Teacher
from tracker.training.labels.teachers_openvino import OpenVinoSsdTeacher
from tracker.training.labels.teachers_yolo import DarknetTeacher, KerasTeacher
from tracker.util.paths import missing_text


@dataclass(frozen=True, slots=True)
class TeacherOptions:
    """How teachers are run.

    Attributes:
        sizes: Long sides in pixels; a network that takes any size is a teacher at each of them.
            Without one it runs at its own.
        names: File of class names for darknet and OpenVINO networks that have no `.names` file of
            their own name beside them.
        threads: CPU threads.

    Raises:
        ConfigError: A size or the number of threads is below 1, or a size comes twice.
    """

    sizes: tuple[int, ...] = ()
    names: Path | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ConfigError(f"threads: expected at least 1, got {self.threads}")
        if len(set(self.sizes)) != len(self.sizes) or not all(size > 0 for size in self.sizes):
            raise ConfigError(f"sizes: expected different ones above 0, got {list(self.sizes)}")


@dataclass(frozen=True, slots=True)
class OpenedTeacher:
    """A teacher, and which files it is.

    Attributes:
        teacher: The teacher.
        digest: SHA-256 of its files; with several, joined by a plus.
    """

    teacher: Teacher
    digest: str


def open_teachers(
    path: str | PathLike[str], options: TeacherOptions | None = None
) -> tuple[OpenedTeacher, ...]:
    """Returns the teachers of a file: one, or one for each size.

    A `.cfg` is a darknet network with `.weights` of the same name beside it; a `.keras` is a
    detector of this package; an `.onnx` is NanoDet or FastestDet, recognised by its outputs; an
    `.xml` is an OpenVINO network that ends in an SSD layer.

    Args:
        path: The file.
        options: How to run it.

    Raises:
        ModelError: It is missing, damaged, or of no known kind.
        ConfigError: The network cannot take a size.
        DependencyError: The library that it needs is not installed.
    """
    path, options = Path(path), options or TeacherOptions()
    opener = _OPENERS.get(path.suffix.lower())
    if opener is None:
        raise ModelError(
            f"teacher {path}: expected a file that ends in {', '.join(_OPENERS)}, got "
            f"{path.suffix or 'no ending'}"
        )
    if not path.is_file():
        raise ModelError(f"teacher {path}: {missing_text(path)}")
    teachers = opener(path, options)
    files = [path, *(path.with_suffix(s) for s in _BESIDE.get(path.suffix.lower(), ()))]
    digest = "+".join(file_digest(file) for file in files)
    return tuple(OpenedTeacher(teacher, digest) for teacher in teachers)


def takes_any_size(path: str | PathLike[str]) -> bool:
    """Returns whether a network of this kind can be run at sizes other than its own."""
    return Path(path).suffix.lower() in (".cfg", ".keras")


def _darknet(path: Path, options: TeacherOptions) -> list[Teacher]:
    names = _names_file(path, options)
    return [
        DarknetTeacher(path, long_side=size, names=names, threads=options.threads)
        for size in options.sizes or (None,)
    ]


def _keras(path: Path, options: TeacherOptions) -> list[Teacher]:
    return [
        KerasTeacher(path, long_side=size, threads=options.threads)
        for size in options.sizes or (None,)
    ]


def _onnx(path: Path, options: TeacherOptions) -> list[Teacher]:
    shapes = [tuple(o.shape) for o in onnx_session(path, threads=options.threads).get_outputs()]
    # NanoDet: scores and 4 x 8 distances for three strides. FastestDet: 5 + 80 maps of cells.
    if len(shapes) == 6 and sum(shape[-1] == 32 for shape in shapes) == 3:
        return [NanoDetTeacher(path, threads=options.threads)]
    if len(shapes) == 1 and len(shapes[0]) == 4 and shapes[0][1] == 85:
        return [FastestDetTeacher(path, threads=options.threads)]
    raise ModelError(
        f"teacher {path}: expected the outputs of NanoDet or FastestDet for COCO's 80 classes, got "
        f"shapes {shapes}"
    )


def _openvino(path: Path, options: TeacherOptions) -> list[Teacher]:
    file = _names_file(path, options)
    names = ("person",) if file is None else read_class_names(file)
    return [OpenVinoSsdTeacher(path, names=names, threads=options.threads)]


def _names_file(path: Path, options: TeacherOptions) -> Path | None:
    beside = path.with_suffix(".names")
    return beside if beside.is_file() else options.names


_OPENERS: Mapping[str, Callable[[Path, TeacherOptions], list[Teacher]]] = MappingProxyType(
    {".cfg": _darknet, ".keras": _keras, ".onnx": _onnx, ".xml": _openvino}
)
_BESIDE = {".cfg": (".weights",), ".xml": (".bin",)}
