"""The tables of `tracker models list` and `info`: models by name, and the content of files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tracker.errors import ConfigError, DependencyError, ModelError, nearest
from tracker.inference.digests import network_file_digest
from tracker.models.files.detector_file import DETECTOR_FILE, DetectorDescription, read_description
from tracker.models.files.reid_file import (
    FORMAT,
    REID_FILE,
    ReidDescription,
    read_reid_description,
)
from tracker.models.files.segmenter_file import (
    SEGMENTER_FILE,
    SegmenterDescription,
    read_segmenter_description,
)
from tracker.models.files.tflite import SUFFIX, Exported, read_exported
from tracker.models.reid_shape import CROP_HEIGHT, CROP_WIDTH
from tracker.registry.builtin import (
    DETECTORS,
    EMBEDDER,
    SEGMENTER,
    BuiltinFiles,
    detector_files,
    embedder_files,
    segmenter_files,
)
from tracker.registry.entries import (
    CLASS_LISTS,
    DARKNET,
    InputEntry,
    ModelEntry,
    Task,
    shown,
)
from tracker.registry.measured import BUILT_IN, Measured
from tracker.registry.models import CacheState, Registry, cache_state, file_problem, model_folder

_LICENCE = "Apache-2.0"
_BUILT_IN = "built-in"
_BUILT_IN_NAMES = (*DETECTORS, EMBEDDER, SEGMENTER)
_COLUMNS = (
    *("name", "task", "classes", "input", "size", "person", "mAP50", "ms", "licence", "here"),
)
_NOT_MEASURED = ("-", "-", "-")

_FOREIGN = "no detector, appearance network or segmenter of this package"

_KINDS = {
    ".keras": "Keras archive",
    SUFFIX: "LiteRT network",
    ".onnx": "ONNX network",
    ".cfg": "Darknet network without its weights",
    ".weights": "weights of a Darknet network",
    ".xml": "OpenVINO network without its weights",
    ".param": "ncnn network without its weights",
    ".bin": "weights, perhaps of an ncnn or OpenVINO network",
    ".pt": "PyTorch archive",
    ".pth": "PyTorch archive",
    ".h5": "weights in HDF5",
    ".names": "class names",
    ".txt": "text",
}


def table_of_models(registry: Registry, cache_dir: Path | None = None) -> list[str]:
    """Returns the rows of a table of this package's models and those of a registry.

    Args:
        registry: The models that can be downloaded.
        cache_dir: Folder of this program's caches; `None` for the platform's.

    Raises:
        ModelError: A model of this package is damaged.
    """
    rows = [_COLUMNS, *(_built_in_model(name).row for name in _BUILT_IN_NAMES)]
    for entry in registry.entries.values():
        state = cache_state(entry, cache_dir)
        what = (_class_column(entry), _input_size_column(entry), _megabytes(entry.size))
        measured = _measured_columns(entry.measured)
        rows.append((entry.name, entry.task, *what, *measured, entry.licence, state))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def facts_of(model: str, registry: Registry, cache_dir: Path | None = None) -> list[str]:
    """Returns a description of a model or a file, one line for each property.

    Args:
        model: A name from this package or the registry, otherwise the path of a file.
        registry: The models that can be downloaded.
        cache_dir: Folder of this program's caches; `None` for the platform's.

    Raises:
        ConfigError: `model` is neither a name nor a file.
        ModelError: The file cannot be read.
    """
    if model in _BUILT_IN_NAMES:
        return _aligned(_built_in_model(model).facts)
    if model in registry.entries:
        return _aligned(list(_entry_facts(registry.entries[model], cache_dir)))
    path = Path(model)
    if not path.is_file():
        hint = nearest(model, [*_BUILT_IN_NAMES, *registry.entries])
        raise ConfigError(
            f"{model}: expected a name from `tracker models list`, or the path of a file"
            f"{hint or '; there is no such file'}"
        )
    return _aligned(list(_file_facts(path, registry)))


@dataclass(frozen=True, slots=True)
class _BuiltIn:
    """Table row and properties of a model of this package."""

    row: tuple[str, ...]
    facts: list[tuple[str, str]]


def _built_in_model(name: str) -> _BuiltIn:
    files = _built_in_files(name)
    task = {EMBEDDER: Task.EMBEDDER.value, SEGMENTER: "segmenter"}.get(name, Task.DETECTOR.value)
    exported = read_exported(files.exported, what=task)
    size = files.exported.stat().st_size
    if name == EMBEDDER:
        classes, wanted = "-", f"{CROP_WIDTH}x{CROP_HEIGHT}"
    elif name == SEGMENTER:
        side = SEGMENTER_FILE.parse(files.exported, exported.text).long_side
        classes, wanted = "person", f"{side}x{side}"
    else:
        description = DETECTOR_FILE.parse(files.exported, exported.text)
        classes, wanted = _class_count(description.class_names), f"long {description.long_side}"
    facts = [
        ("name", name),
        ("task", task),
        ("licence", _LICENCE),
        *_export_facts(files.exported, exported),
        ("file", f"{files.exported} ({_megabytes(size)})"),
        ("file", f"{files.keras} ({_megabytes(files.keras.stat().st_size)})"),
        ("here", f"{_BUILT_IN}: nothing needs to be downloaded"),
    ]
    measured = BUILT_IN.get(name)
    if measured is not None:
        facts.insert(-1, ("measured", f"{_measured_text(measured)}, {wanted}"))
    what = (name, task, classes, wanted, _megabytes(size))
    return _BuiltIn((*what, *_measured_columns(measured), _LICENCE, _BUILT_IN), facts)


def _built_in_files(name: str) -> BuiltinFiles:
    if name == EMBEDDER:
        return embedder_files()
    return segmenter_files() if name == SEGMENTER else detector_files(name)


def _entry_facts(entry: ModelEntry, cache_dir: Path | None) -> Iterator[tuple[str, str]]:
    """Yields the properties of a model in a registry, and the state of its cached files."""
    yield "name", entry.name
    yield "task", entry.task.value
    yield "licence", entry.licence
    yield "from", entry.note
    yield "layout", entry.layout or "inferred from its outputs"
    yield "input", _preprocessing(entry)
    if isinstance(entry.classes, tuple):
        yield "classes", ", ".join(entry.classes)
    elif entry.classes is not None:
        yield "classes", entry.classes
    if entry.measured is not None:
        yield "measured", _measured_text(entry.measured)
    folder = model_folder(entry.name, cache_dir)
    for file in entry.files:
        yield "file", f"{file.name} ({file.size} bytes)"
        yield "sha256", file.sha256
        yield "address", shown(file.address)
        path = folder / file.name
        if path.is_file():
            yield "here", f"{path}: {file_problem(path, file) or 'complete'}"
    if cache_state(entry, cache_dir) is CacheState.ABSENT:
        yield "here", f"no; `tracker models pull {entry.name}` downloads it to {folder}"


def _file_facts(path: Path, registry: Registry) -> Iterator[tuple[str, str]]:
    """Yields kind and content of a file, and its name in the registry."""
    digest = network_file_digest(path)
    suffix = path.suffix.lower()
    yield "file", str(path)
    yield "kind", _KINDS.get(suffix, "unknown ending")
    yield "size", f"{path.stat().st_size} bytes"
    yield "sha256", digest
    known = registry.holding(digest)
    if known is not None:
        entry, file = known
        yield "known as", f"{file.name} of {entry.name} ({entry.licence})"
    else:
        yield "known as", _built_in_name(digest) or "no published model"
    if suffix == ".keras":
        yield from _keras_facts(path)
    elif suffix in {SUFFIX, ".onnx", ".param", ".xml"}:
        yield from _network_facts(path)


def _built_in_name(digest: str) -> str | None:
    """Returns the file and model of this package that has a SHA-256; `None` if there is none."""
    for name in _BUILT_IN_NAMES:
        files = _built_in_files(name)
        for path in (files.keras, files.exported):
            if network_file_digest(path) == digest:
                return f"{path.name} of {name}, of this package"
    return None


def _keras_facts(path: Path) -> list[tuple[str, str]]:
    """Returns the description in a `.keras` of this package, or why it is none."""
    readers: tuple[Callable[[], list[tuple[str, str]]], ...] = (
        lambda: _detector_facts(read_description(path)),
        lambda: _reid_facts(read_reid_description(path)),
        lambda: _segmenter_facts(read_segmenter_description(path)),
    )
    reasons = []
    for read in readers:
        try:
            return read()
        except ModelError as error:
            reasons.append(str(error))
    return [("holds", f"{_FOREIGN}: {reasons[0]}")]


def _network_facts(path: Path) -> Iterator[tuple[str, str]]:
    """Yields the description of a `.tflite` or `.onnx`, or its inputs and outputs."""
    if path.suffix.lower() == SUFFIX:
        try:
            exported = read_exported(path, what="file")
        except ModelError:
            pass  # Of another program, or damaged: opening it below shows which.
        else:
            try:
                yield from _export_facts(path, exported)
            except ModelError as error:
                yield "holds", f"{_FOREIGN}: {error}"
            return
    from tracker.detection.model_choice import archived_choice
    from tracker.models.network_file import open_network_file

    try:
        network = open_network_file(path)
    except (ModelError, DependencyError) as error:
        yield "holds", f"not opened: {error}"
        return
    for spec in network.inputs:
        yield "input", str(spec)
    for spec in network.outputs:
        yield "output", str(spec)
    layout = archived_choice(path).layout
    if layout is not None:
        yield "layout", layout
    if network.stored.class_names is not None:
        yield "classes", ", ".join(network.stored.class_names)


def _export_facts(path: Path, exported: Exported) -> list[tuple[str, str]]:
    """Returns the description in a file that `tracker export` wrote.

    Raises:
        ModelError: Its description is malformed.
    """
    if exported.format == FORMAT:
        return _reid_facts(REID_FILE.parse(path, exported.text))
    if exported.format == SEGMENTER_FILE.format:
        return _segmenter_facts(SEGMENTER_FILE.parse(path, exported.text))
    return _detector_facts(DETECTOR_FILE.parse(path, exported.text))


def _detector_facts(description: DetectorDescription) -> list[tuple[str, str]]:
    return [
        (
            "holds",
            f"a detector of this package, {description.size.value} on {description.backbone}",
        ),
        ("classes", ", ".join(description.class_names)),
        ("input", f"long side {description.long_side} px"),
        ("score", f"threshold {description.confidence:g}"),
    ]


def _reid_facts(description: ReidDescription) -> list[tuple[str, str]]:
    return [
        ("holds", f"an appearance network of this package on {description.backbone}"),
        ("input", f"crops of {CROP_WIDTH}x{CROP_HEIGHT} px"),
        ("output", f"{description.dimension} values"),
    ]


def _segmenter_facts(description: SegmenterDescription) -> list[tuple[str, str]]:
    return [
        (
            "holds",
            f"a segmenter of this package, {description.head.value} on {description.backbone}",
        ),
        ("classes", ", ".join(description.class_names)),
        ("input", f"long side {description.long_side} px"),
    ]


def _class_column(entry: ModelEntry) -> str:
    if entry.classes is None:
        return "-"
    if isinstance(entry.classes, tuple):
        return _class_count(entry.classes)
    return entry.classes if entry.classes in CLASS_LISTS else Path(entry.classes).name


def _class_count(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} names"


def _input_size_column(entry: ModelEntry) -> str:
    wanted = entry.input
    if entry.layout == DARKNET:
        return ".cfg"
    size = wanted.size or wanted.native_size
    if size is not None:
        return f"{size[1]}x{size[0]}"
    return "-" if wanted.long_side is None else f"long {wanted.long_side}"


def _measured_columns(measured: Measured | None) -> tuple[str, str, str]:
    """Returns AP50 of people and of all classes, and milliseconds on one thread and on two."""
    if measured is None:
        return _NOT_MEASURED
    every = "-" if measured.map50 is None else f"{measured.map50:.1f}"
    times = "-" if measured.ms is None else "/".join(f"{value:.0f}" for value in measured.ms)
    return f"{measured.person_ap50:.1f}", every, times


def _measured_text(measured: Measured) -> str:
    parts = [f"person AP50 {measured.person_ap50:.1f} %"]
    if measured.map50 is not None:
        parts.append(f"mAP50 of 80 classes {measured.map50:.1f} %")
    if measured.ms is not None:
        one, two = measured.ms
        parts.append(f"{one:g} ms on one thread, {two:g} ms on two")
    return ", ".join(parts)


def _preprocessing(entry: ModelEntry) -> str:
    if entry.layout == DARKNET:
        return "as in its .cfg"
    if entry.input == InputEntry():
        return "as its layout requires"
    return ", ".join(f"{key} {_value_text(value)}" for key, value in entry.input.given().items())


def _value_text(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _aligned(facts: Sequence[tuple[str, str]]) -> list[str]:
    width = max(len(key) for key, _ in facts)
    return [f"{key.ljust(width)}  {value}" for key, value in facts]
