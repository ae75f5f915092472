"""A folder of files that are costly to make: exported networks.

Comes in: what determines a file, and how to make it. Goes out: its content. Nothing here is needed:
a cache that cannot be read or written costs time, never a run. Files are written to the side and
moved into place, so that two processes may share the folder; a damaged file is made anew.
"""

import contextlib
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import platformdirs

logger = logging.getLogger(__name__)

_MAGIC = b"tracker cache 1\n"
_DIGEST_SIZE = hashlib.sha256().digest_size


def default_cache_dir() -> Path:
    """Returns the platform's folder for this program's caches; it may not exist yet."""
    return Path(platformdirs.user_cache_dir("tracker"))


def cache_key(parts: Mapping[str, object]) -> str:
    """Returns 32 hexadecimal digits that differ where any part differs.

    Args:
        parts: Everything the file depends on, plain JSON types.
    """
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def library_version(name: str) -> str:
    """Returns the version of an installed distribution without importing it, or "none"."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def cached(path: Path, make: Callable[[], bytes]) -> bytes:
    """Returns the content of a cached file, made and stored first where it is missing or damaged.

    Args:
        path: The file.
        make: Makes the content.
    """
    content = _read(path)
    if content is None:
        content = make()
        _write(path, content)
    return content


def _read(path: Path) -> bytes | None:
    """Returns the content, or `None` where there is none that is whole."""
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.warning("cache %s cannot be read (%s): going on without", path, error.strerror)
        return None
    start = len(_MAGIC) + _DIGEST_SIZE
    content = stored[start:]
    if stored[:start] != _MAGIC + hashlib.sha256(content).digest():
        logger.warning("cache %s is damaged: making it anew", path)
        return None
    return content


def _write(path: Path, content: bytes) -> None:
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            temporary = file.name
            file.write(_MAGIC + hashlib.sha256(content).digest() + content)
        os.replace(temporary, path)
    except OSError as error:
        logger.warning("cache %s cannot be written (%s): going on without", path, error.strerror)
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
