"""What exporters of YOLO networks write into a model's file: class names, and the task.

They write `names` as a Python or JSON dict into the metadata of an ONNX file, into `metadata.yaml`
of a SavedModel, or into the ZIP archive behind a `.tflite`; there TensorFlow Lite's own metadata
keep a text file that has a name a line.
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
"""A larger entry of an archive, or file, holds no class names."""
_MOST_ENTRIES = 100
_METADATA = "metadata.yaml"
_MOST_CLASSES = 100_000


@dataclass(frozen=True, slots=True)
class StoredFacts:
    """What a model's file says about it.

    Attributes:
        class_names: Names by class index; `None` where the file holds none.
        task: What the network is for, such as "detect" or "pose", in small letters; `None` where
            the file does not say.
        keypoint_values: Numbers that a pose has: keypoints times values of each; `None` where the
            file does not say.
    """

    class_names: tuple[str, ...] | None = None
    task: str | None = None
    keypoint_values: int | None = None


NOTHING_STORED = StoredFacts()


def metadata_facts(metadata: Mapping[str, object], *, what: str = "metadata") -> StoredFacts:
    """Returns what values by key say.

    Args:
        metadata: Of an ONNX file: all values are text; of others: values of JSON or YAML.
        what: The file, for warnings.

    Example:
        >>> metadata_facts({"names": "{0: 'person', 1: 'car'}", "task": "detect"})
        StoredFacts(class_names=('person', 'car'), task='detect', keypoint_values=None)
    """
    task = metadata.get(_TASK)
    return StoredFacts(
        _names(_value(metadata.get(_NAMES)), what),
        task.strip().lower() if isinstance(task, str) and task.strip() else None,
        _product(_value(metadata.get(_KEYPOINTS))),
    )


def archive_facts(path: Path) -> StoredFacts:
    """Returns what the archive behind a `.tflite` says; names only where there is one list.

    Args:
        path: The file.
    """
    found = [_entry_facts(name, text, str(path)) for name, text in _archive_texts(path).items()]
    names = [facts.class_names for facts in found if facts.class_names]
    tasks = [facts for facts in found if facts.task is not None]
    told = tasks[0] if len(tasks) == 1 else NOTHING_STORED
    return StoredFacts(names[0] if len(names) == 1 else None, told.task, told.keypoint_values)


def folder_facts(folder: Path) -> StoredFacts:
    """Returns what `metadata.yaml` in the folder of a SavedModel says.

    Args:
        folder: The folder; without such a file nothing is stored.
    """
    path = folder / _METADATA
    if not path.is_file():
        return NOTHING_STORED
    from tracker.util.yaml_text import read_yaml

    try:
        return metadata_facts(read_yaml(path, texts=(_NAMES,)), what=str(path))
    except ConfigError as error:
        logger.warning("%s; what it says is not used", error)
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
    """Returns the value that text means in JSON or as a literal of Python, else `None`."""
    # JSON first: characters beyond 16 bits are pairs of escapes in it, which Python takes for two.
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        return ast.literal_eval(text.strip())
    return None


def _product(value: object) -> int | None:
    """Returns the product of the sides of a shape, `None` for what is none."""
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
    # Some data sets name their classes by numbers.
    named = {
        index: str(name).strip()
        for index, name in by_index.items()
        if type(name) in (str, int, float) and str(name).strip()
    }
    if not named or max(by_index) >= _MOST_CLASSES:
        return None
    return numbered_names(filled_names(named, max(by_index) + 1, what=what), what=what)


def _by_index(value: Mapping[object, object]) -> dict[int, object]:
    """Returns values by index; nothing where a key is none, or two are the same."""
    keys = [str(key) for key in value]
    if not all(key.isascii() and key.isdigit() and len(key) <= 9 for key in keys):
        return {}
    by_index = {int(key): name for key, name in zip(keys, value.values(), strict=True)}
    return by_index if len(by_index) == len(keys) else {}
