"""Output paths as users type them: placeholders in braces, and files that clash."""

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from glob import glob
from pathlib import Path

from tracker.errors import ConfigError, OutputError, nearest
from tracker.sinks.output_file import STDOUT

STDIN = "-"
_RESULTS = {".json", ".jsonl", ".txt", ".csv", ".mp4", ".mov", ".mkv"}
"""Endings of result files, which users keep beside their images and overwrite."""
_MOT_INPUTS = {"gt", "det"}
_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


def filled(path: str, words: Mapping[str, str]) -> str:
    """Returns a path with `{word}` replaced; `{{` and `}}` are braces.

    Args:
        path: The path as the user typed it.
        words: Values of the placeholders.

    Raises:
        ConfigError: A placeholder is unknown.

    Example:
        >>> filled("out/{name}-{{1}}.jsonl", {"name": "door"})
        'out/door-{1}.jsonl'
    """

    def value(match: re.Match[str]) -> str:
        word = match[1]
        if word is None:
            return match[0][0]
        if word not in words:
            known = ", ".join(f"{{{known}}}" for known in words)
            raise ConfigError(
                f"{path}: {{{word}}} is unknown; expected {known}{nearest(word, words)}; braces "
                "themselves are written {{ and }}"
            )
        return words[word]

    return _BRACES.sub(value, path)


def check_different(paths: Sequence[str]) -> None:
    """Checks that no two outputs are one file, however they are spelt.

    Raises:
        ConfigError: Two are.
    """
    seen: dict[object, str] = {}
    for path in paths:
        key = STDOUT if path == STDOUT else _identity(path)
        if key in seen:
            other = f" ({seen[key]})" if seen[key] != path else ""
            raise ConfigError(
                f"{path}: two outputs cannot share one file{other}; name another for one"
            )
        seen[key] = path


def check_not_read(paths: Sequence[str], inputs: Sequence[str]) -> None:
    """Checks that no output is a file that the run reads.

    Args:
        paths: The outputs.
        inputs: What is read, as the user typed it: files, folders, patterns, or no paths at all.

    Raises:
        OutputError: An output is an input, or a file of a folder of images that is one.
    """
    existing = [path for path in paths if path != STDOUT and os.path.isfile(path)]
    for read in inputs if existing else ():
        for path in existing:
            if _is_in(path, read):
                raise OutputError(
                    f"cannot write {path}: the run reads it ({read}); name another file"
                )


def _is_in(path: str, read: str) -> bool:
    try:
        if read == STDIN:
            return os.path.samestat(os.stat(path), os.fstat(0))
        if os.path.isdir(read):
            return _is_in_folder(Path(os.path.realpath(path)), Path(os.path.realpath(read)))
        files = [read] if os.path.exists(read) else glob(read)
        return any(os.path.samefile(path, file) for file in files)
    except (OSError, ValueError):
        return False


def _is_in_folder(path: Path, folder: Path) -> bool:
    """Returns whether a folder of images, or a MOT sequence, has a file as its input."""
    if not path.is_relative_to(folder):
        return False
    is_mot = path.relative_to(folder).parts[0] in _MOT_INPUTS
    return is_mot or path.suffix.lower() not in _RESULTS


def _identity(path: str) -> object:
    """Returns a key that is equal for two spellings of one file."""
    real = Path(os.path.realpath(path))
    try:
        stat = os.stat(real)
        if os.path.isfile(real):
            return stat.st_dev, stat.st_ino  # hard links, and file systems that ignore case
    except OSError:
        pass
    folder = _existing(real)
    rest = str(real.relative_to(folder)) if folder != real.parent else real.name
    return str(folder), _folded(rest) if _ignores_case(folder) else rest


def case_is_ignored(folder: Path) -> bool:
    """Returns whether a folder, which may not exist yet, ignores the case of names."""
    real = Path(os.path.realpath(folder))
    return _ignores_case(real if real.is_dir() else _existing(real))


def _existing(path: Path) -> Path:
    """Returns the nearest folder above a path that exists."""
    return next((parent for parent in path.parents if parent.is_dir()), path.parent)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _ignores_case(folder: Path) -> bool:
    """Returns whether the folder's file system ignores case."""
    try:
        other = folder.with_name(folder.name.swapcase())
        return other.name != folder.name and os.path.samefile(folder, other)
    except (OSError, ValueError):
        return False
