"""Class names and task that exporters of YOLO networks store in a model's file.

They write `names` as a Python or JSON dict into the metadata of an ONNX file, into `metadata.yaml`
of a SavedModel, or into the ZIP archive appended to a `.tflite`, where TensorFlow Lite's own
metadata keep a text file with one name per line.
"""

import ast
import json
import logging
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path

from tracker.errors import ConfigError
from tracker.inference.name_lists import filled_names, numbered_names
from tracker.util.archives import ZIP_ERRORS, read_member

logger = logging.getLogger(__name__)

_NAMES, _TASK, _KEYPOINTS = "names", "task", "kpt_shape"
_MOST_BYTES = 1 << 20
"""Limit in bytes: a larger file or archive member is not read for class names."""
_MOST_ENTRIES = 100
_METADATA = "metadata.yaml"
_MOST_CLASSES = 100_000


@dataclass(frozen=True, slots=True)
class StoredFacts:
    """Facts that a model's file stores about it.

    Attributes:
        class_names: Names by class index; `None` if the file has none.
        task: Task of the network, such as "detect" or "pose", in lower case; `None` if not stored.
        keypoint_values: Values of one pose: keypoints times values per keypoint; `None` if not
            stored.
        native_size: Height and width in pixels that a network of any input size was trained for;
            `None` if the file does not tell.
    """

    class_names: tuple[str, ...] | None = None
    task: str | None = None
    keypoint_values: int | None = None
    native_size: tuple[int, int] | None = None


NOTHING_STORED = StoredFacts()


def metadata_facts(metadata: Mapping[str, object], *, what: str = "metadata") -> StoredFacts:
    """Returns the facts in a mapping of metadata.

    Args:
        metadata: Values by key: text in ONNX files, JSON or YAML values in others.
        what: The file, for warnings.

    Example:
        >>> metadata_facts({"names": "{0: 'person', 1: 'car'}", "task": "detect"}).class_names
        ('person', 'car')
    """
    task = metadata.get(_TASK)
    return StoredFacts(
        _names(_value(metadata.get(_NAMES)), what),
        task.strip().lower() if isinstance(task, str) and task.strip() else None,
        _product(_value(metadata.get(_KEYPOINTS))),
    )


def archive_facts(path: Path) -> StoredFacts:
    """Returns the facts in the archive appended to a `.tflite`; names only if there is one list.

    Args:
        path: The file.
    """
    found = [_entry_facts(name, text, str(path)) for name, text in _archive_texts(path).items()]
    names = [facts.class_names for facts in found if facts.class_names]
    tasks = [facts for facts in found if facts.task is not None]
    stored = tasks[0] if len(tasks) == 1 else NOTHING_STORED
    return StoredFacts(names[0] if len(names) == 1 else None, stored.task, stored.keypoint_values)


def folder_facts(folder: Path) -> StoredFacts:
    """Returns the facts in `metadata.yaml` of a SavedModel folder.

    Args:
        folder: The folder; without such a file the result is empty.
    """
    path = folder / _METADATA
    if not path.is_file():
        return NOTHING_STORED
    from tracker.util.yaml_text import read_yaml

    try:
        return metadata_facts(read_yaml(path, texts=(_NAMES,)), what=str(path))
    except ConfigError as error:
        logger.warning("%s; its content is not used", error)
        return NOTHING_STORED


def _archive_texts(path: Path) -> dict[str, str]:
    with suppress(*(OSError, *ZIP_ERRORS, ValueError)):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return {
                    entry.filename: read_member(archive, entry.filename).decode()
                    for entry in archive.infolist()[:_MOST_ENTRIES]
                    if entry.filename.endswith((".txt", ".json")) and entry.file_size <= _MOST_BYTES
                }
    return {}


def _entry_facts(file_name: str, text: str, what: str) -> StoredFacts:
    value = _parsed(text)
    if isinstance(value, dict):
        return metadata_facts(value, what=what)
    lines = [line.strip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    is_list = file_name.endswith(".txt") and lines and all(lines)
    return StoredFacts(numbered_names(lines, what=what)) if is_list else NOTHING_STORED


def _value(stored: object) -> object:
    return _parsed(stored) if isinstance(stored, str) else stored


def _parsed(text: str) -> object:
    """Returns the value of text that is JSON or a Python literal, else `None`."""
    # JSON first: it writes characters beyond 16 bits as surrogate pairs, which Python reads as two.
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    # A set of lists is a type error.
    with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return ast.literal_eval(text.strip())
    return None


def _product(value: object) -> int | None:
    """Returns the product of a shape's dimensions; `None` if the value is no shape."""
    sides = value if isinstance(value, list | tuple) else ()
    if not sides or not all(type(side) is int and 0 < side <= _MOST_CLASSES for side in sides):
        return None
    return prod(sides)


def _names(value: object, what: str) -> tuple[str, ...] | None:
    """Returns the names of a list, or of a dict from class indices (numbers or digits) to names."""
    if isinstance(value, dict):
        by_index = _by_index(value)
    elif isinstance(value, list | tuple):
        by_index = dict(enumerate(value))
    else:
        return None
    # Some datasets use numbers as class names.
    named = {
        index: str(name).strip()
        for index, name in by_index.items()
        if type(name) in (str, int, float) and str(name).strip()
    }
    if not named or max(by_index) >= _MOST_CLASSES:
        return None
    return numbered_names(filled_names(named, max(by_index) + 1, what=what), what=what)


def _by_index(value: Mapping[object, object]) -> dict[int, object]:
    """Returns values by class index; empty if a key is no index or two are equal."""
    keys = [str(key) for key in value]
    if not all(key.isascii() and key.isdigit() and len(key) <= 9 for key in keys):
        return {}
    by_index = {int(key): name for key, name in zip(keys, value.values(), strict=True)}
    return by_index if len(by_index) == len(keys) else {}
