"""Models that others published, by name, and which of them the cache holds.

Nothing is downloaded here: see `registry.download`.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

from tracker.errors import ConfigError, ModelError, nearest
from tracker.inference.cache import default_cache_dir
from tracker.inference.digests import network_file_digest
from tracker.registry.entries import CLASS_LISTS, FileEntry, ModelEntry
from tracker.util.paths import unreadable_text
from tracker.util.settings_tree import settings_from
from tracker.util.yaml_text import read_yaml

FILE = Path(__file__).parent / "registry.yaml"
"""The registry of this package."""

_Kind = TypeVar("_Kind")


class CacheState(StrEnum):
    """What the cache holds of a model."""

    ABSENT = "no"
    """Nothing, or only some of its files."""
    PRESENT = "yes"
    """All its files, of the right sizes."""
    DAMAGED = "damaged"
    """All its files, but one has another size or content."""


@dataclass(frozen=True, slots=True)
class Registry:
    """The entries of one file.

    Attributes:
        path: The file.
        entries: By name, in the file's order.
    """

    path: Path
    entries: Mapping[str, ModelEntry]

    def find(self, name: str) -> ModelEntry:
        """Returns the entry of a name.

        Raises:
            ConfigError: There is none.
        """
        if name not in self.entries:
            hint = nearest(name, self.entries) or "; `tracker models list` shows what there is"
            raise ConfigError(f"no model {name!r} in {self.path.name}{hint}")
        return self.entries[name]

    def holding(self, sha256: str) -> tuple[ModelEntry, FileEntry] | None:
        """Returns the entry and the file with a SHA-256, or `None` where it is unknown."""
        for entry in self.entries.values():
            for file in entry.files:
                if file.sha256 == sha256:
                    return entry, file
        return None


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model whose files are in the cache, whole.

    Attributes:
        entry: Its entry in the registry.
        paths: Its files, in the order of the entry's.
    """

    entry: ModelEntry
    paths: tuple[Path, ...]

    @property
    def classes(self) -> str | tuple[str, ...] | Path | None:
        """One of `CLASS_LISTS`, the names, the path of a file of names; `None`: an embedder."""
        classes = self.entry.classes
        if not isinstance(classes, str) or classes in CLASS_LISTS:
            return classes
        return dict(zip((f.name for f in self.entry.files), self.paths, strict=True)).get(
            classes, Path(classes)
        )


def read_registry(path: Path | None = None) -> Registry:
    """Returns the registry that a YAML file holds; `None` takes that of this package.

    Raises:
        ConfigError: It cannot be read, a key is unknown or missing, or a value is wrong.
    """
    path = FILE if path is None else path
    tree = read_yaml(path)
    for key in tree:
        if key != "models":
            raise ConfigError(f"{path}: unknown key {key}{nearest(str(key), ['models'])}")
    models = tree.get("models")
    if not isinstance(models, Mapping):
        raise ConfigError(f"{path}: models: expected names with keys below them, got {models!r}")
    entries = {}
    for name, values in models.items():
        try:
            entries[str(name)] = _entry(str(name), values, path.parent)
        except ConfigError as error:
            raise ConfigError(f"{path}: models.{name}: {error}") from None
    return Registry(path, entries)


def model_folder(name: str, cache_dir: Path | None = None) -> Path:
    """Returns the folder of a model's files; it may not exist.

    Args:
        name: The model's.
        cache_dir: Folder of this program's caches; `None` takes the platform's.
    """
    return (default_cache_dir() if cache_dir is None else cache_dir) / "models" / name


def resolve(
    name: str, *, registry: Registry | None = None, cache_dir: Path | None = None
) -> ResolvedModel:
    """Returns a model from the cache, after checking its files; nothing is ever downloaded.

    Args:
        name: The model's.
        registry: Where it is looked up; `None` takes that of this package.
        cache_dir: Folder of this program's caches; `None` takes the platform's.

    Raises:
        ConfigError: The registry has no such model.
        ModelError: A file is missing in the cache, or is not what was published.
    """
    entry = (read_registry() if registry is None else registry).find(name)
    return resolve_entry(entry, cache_dir)


def resolve_entry(entry: ModelEntry, cache_dir: Path | None = None) -> ResolvedModel:
    """Returns a model from the cache, after checking its files; nothing is ever downloaded.

    Args:
        entry: Its entry in the registry.
        cache_dir: Folder of this program's caches; `None` takes the platform's.

    Raises:
        ModelError: A file is missing in the cache, or is not what was published.
    """
    folder = model_folder(entry.name, cache_dir)
    advice = f"`tracker models pull {entry.name}` downloads it, {entry.size / 1e6:.1f} MB"
    for file in entry.files:
        path = folder / file.name
        if not path.is_file():
            raise ModelError(f"model {entry.name}: no {file.name} in the cache {folder}; {advice}")
        problem = file_problem(path, file)
        if problem is not None:
            raise ModelError(f"model {entry.name}: {path}: {problem}; {advice}")
    return ResolvedModel(entry, tuple(folder / file.name for file in entry.files))


def cache_state(entry: ModelEntry, cache_dir: Path | None = None) -> CacheState:
    """Returns what the cache holds of a model, by the files' sizes alone.

    Args:
        entry: The model.
        cache_dir: Folder of this program's caches; `None` takes the platform's.
    """
    folder = model_folder(entry.name, cache_dir)
    if not all((folder / file.name).is_file() for file in entry.files):
        return CacheState.ABSENT
    if all((folder / file.name).stat().st_size == file.size for file in entry.files):
        return CacheState.PRESENT
    return CacheState.DAMAGED


def file_problem(path: Path, file: FileEntry) -> str | None:
    """Returns what is wrong with a file that exists, or `None` where it is what was published.

    Raises:
        ModelError: It cannot be read.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ModelError(f"{path}: {unreadable_text(path, error)}") from error
    if size != file.size:
        return f"expected {file.size} bytes, got {size}"
    digest = network_file_digest(path)
    return None if digest == file.sha256 else f"expected sha256 {file.sha256}, got {digest}"


def _entry(name: str, values: Any, folder: Path) -> ModelEntry:
    """Returns the entry that the keys below a name describe.

    Args:
        name: The name.
        values: What is below it.
        folder: What paths of class names start at.
    """
    tree = _mapping(values)
    if "name" in tree:
        raise ConfigError("unknown key name: the key above it is the name")
    tree["name"] = name
    files = tree.get("files", [])
    if not isinstance(files, list):
        raise ConfigError(f"files: expected a list, got {files!r}")
    checked = []
    for number, file in enumerate(files):
        try:
            checked.append(_checked(_FILES, FileEntry, _mapping(file)))
        except ConfigError as error:
            raise ConfigError(f"files[{number}]: {error}") from None
    if "files" in tree:
        tree["files"] = tuple(checked)
    entry = _checked(_ENTRIES, ModelEntry, tree)
    return dataclasses.replace(entry, classes=_classes(entry, folder))


def _classes(entry: ModelEntry, folder: Path) -> str | tuple[str, ...] | None:
    """Returns the classes with a path made independent of the working directory."""
    classes = entry.classes
    known = {*CLASS_LISTS, *(file.name for file in entry.files)}
    if not isinstance(classes, str) or classes in known:
        return classes
    path = (folder / classes).resolve()
    if not path.is_file():
        raise ConfigError(
            f"classes: expected {', '.join(CLASS_LISTS)}, a list of names, or the path of a file "
            f"that exists, got {classes!r}{nearest(classes, CLASS_LISTS)}"
        )
    return str(path)


def _checked(adapter: TypeAdapter[_Kind], kind: type[_Kind], tree: Mapping[str, Any]) -> _Kind:
    """Returns the instance that a mapping describes.

    Raises:
        ConfigError: A key is unknown or missing, or a value is wrong.
    """
    fields = dataclasses.fields(cast(Any, kind))
    known = {one.name for one in fields}
    for one in fields:
        is_needed = one.default is one.default_factory is dataclasses.MISSING
        # An unknown key is reported first: it may be the missing one, misspelt.
        if is_needed and one.name not in tree and known.issuperset(tree):
            raise ConfigError(f"key {one.name} is missing")
    return settings_from(adapter, kind, tree)


def _mapping(values: Any) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise ConfigError(f"expected keys and values, got {values!r}")
    return dict(values)


_FILES = TypeAdapter(FileEntry)
_ENTRIES = TypeAdapter(ModelEntry)
