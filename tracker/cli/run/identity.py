"""What a run and the run that continues it have to have in common."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from tracker.sources.source_kind import SourceKind, source_kind
from tracker.util.address import shown_address
from tracker.util.remote import is_remote, reading, size_of
from tracker.version import __version__

_CONTENT = ("bytes", "digest")
_PART = 2**20
"""Bytes at the beginning and at the end of a file that its identity covers."""


def source_identity(text: str) -> dict[str, Any]:
    """Returns what is compared of a source: name, size and a digest of parts of it.

    Args:
        text: A video file, which may be in an object store, or images, as typed.

    Raises:
        SourceError: There are no images.
        OSError: The file cannot be read.
    """
    if not is_remote(text) and source_kind(text) is SourceKind.IMAGES:
        from tracker.sources.files.image_listing import list_images

        states = [(path.name, path.stat()) for path in list_images(text).files]
        names = "\n".join(f"{name} {one.st_size} {one.st_mtime_ns}" for name, one in states)
        return {
            "name": os.path.abspath(text),
            "images": len(states),
            "digest": _digest(names.encode()),
        }
    name = shown_address(text) if is_remote(text) else os.path.abspath(text)
    return {"name": name, **content_identity(text)}


def content_identity(path: str) -> dict[str, Any]:
    """Returns the size of a file, and a digest of its first and its last megabyte.

    Args:
        path: The file, which may be in an object store.

    Raises:
        SourceError: It cannot be read from the store.
        OSError: It cannot be read.
    """
    size = size_of(path)
    with reading(path) as file:
        head = file.read(_PART)
        file.seek(max(size - _PART, 0))
        return {"bytes": size, "digest": _digest(head + file.read(_PART))}


def run_identity(
    source: str,
    config: Mapping[str, Any],
    models: Mapping[str, str],
    class_names: tuple[str, ...],
    outputs: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns the identity of a run, of plain JSON types.

    Args:
        source: The source, as typed.
        config: The configuration, without what changes no result.
        models: SHA-256 by file name.
        class_names: Of the detector.
        outputs: The kind and path of each output, and options that change their content.
    """
    files = {name: file_identity(config["segmenter"][name]) for name in ("file", "image")}
    return {
        "program": __version__,
        "source": source_identity(source),
        "config": dict(config),
        "models": dict(models),
        "classes": list(class_names),
        "images": files,
        "outputs": dict(outputs),
    }


def file_identity(path: str | None) -> str | None:
    """Returns the SHA-256 of a file; `None` where there is none."""
    if path is None or not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """Returns the first difference of two identities in words; `None` if they are equal.

    Example:
        >>> difference({"config": {"seed": 1}}, {"config": {"seed": 2}})
        'config.seed is 2 now and was 1'
    """
    before, now = dict(_leaves(old)), dict(_leaves(new))
    for name in [*before, *now]:
        if name == "source.name" and _same_content(before, now):
            continue  # One video, which was moved, or named in another way.
        was, is_now = before.get(name), now.get(name)
        if was != is_now:
            return f"{name} is {_shown(is_now)} now and was {_shown(was)}"
    return None


def _same_content(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return all(before.get(f"source.{name}") == now.get(f"source.{name}") for name in _CONTENT)


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
