"""Class names that a model's own file holds.

Comes in: the metadata of an ONNX file, or a `.tflite`. Goes out: names by class index, or `None`.
Exporters of YOLO networks write `names` as a Python or JSON dict; TensorFlow Lite's metadata is a
ZIP archive behind the network, with a text file that has a name a line.
"""

import ast
import json
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_KEY = "names"
_MOST_BYTES = 1 << 20
"""A larger entry of an archive holds no class names."""


def metadata_class_names(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """Returns the names that text by key holds under "names".

    Args:
        metadata: Of an ONNX file.

    Example:
        >>> metadata_class_names({"names": "{0: 'person', 1: 'car'}"})
        ('person', 'car')
    """
    return _names(_parsed(metadata.get(_KEY, "")))


def archive_class_names(path: Path) -> tuple[str, ...] | None:
    """Returns the names in the archive behind a `.tflite`; `None` where there is no one list.

    Args:
        path: The file.
    """
    with suppress(OSError, zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError):
        if not zipfile.is_zipfile(path):
            return None
        with zipfile.ZipFile(path) as archive:
            texts = {
                entry.filename: archive.read(entry).decode()
                for entry in archive.infolist()
                if entry.filename.endswith((".txt", ".json")) and entry.file_size <= _MOST_BYTES
            }
        found = [names for name, text in texts.items() if (names := _entry_names(name, text))]
        return found[0] if len(found) == 1 else None
    return None


def _entry_names(file_name: str, text: str) -> tuple[str, ...] | None:
    value = _parsed(text)
    if isinstance(value, dict):
        return _names(value.get(_KEY))
    lines = [line.strip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return tuple(lines) if file_name.endswith(".txt") and lines and all(lines) else None


def _parsed(text: str) -> object:
    """Returns the value that text means in JSON or as a literal of Python, else `None`."""
    # JSON first: characters beyond 16 bits are pairs of escapes in it, which Python takes for two.
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        return ast.literal_eval(text.strip())
    return None


def _names(value: object) -> tuple[str, ...] | None:
    """Returns the names of a list, or of a dict from `0..C-1` (numbers or digits) to names."""
    if isinstance(value, dict):
        by_index = {int(key): name for key, name in value.items() if str(key).isdigit()}
        if sorted(by_index) != list(range(len(value))):
            return None
        value = [by_index[index] for index in range(len(by_index))]
    if not isinstance(value, list | tuple) or not value:
        return None
    return tuple(value) if all(isinstance(name, str) and name for name in value) else None
