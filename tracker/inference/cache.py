"""A folder of files that are costly to make: exported networks, measured runtimes.

The cache is never required: one that cannot be read or written costs time and does not stop a run.
Files are written under a temporary name and moved into place; a lock lets one process make a file
while others wait for it; a damaged file is made again.
"""

import contextlib
import hashlib
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tracker.errors import ConfigError, OutputError
from tracker.util.atomic_file import DRAFT, make_parent, replace_bytes
from tracker.util.file_lock import try_lock

logger = logging.getLogger(__name__)

_MAGIC = b"tracker cache 1\n"
_DIGEST_SIZE = hashlib.sha256().digest_size

_EXPORTS = "litert"
_MEASURED = "runtimes"
_LONGEST_WAIT_S = 900.0
"""Longest wait for a lock: an export takes a minute at most, and a suspended process keeps its
lock."""


def default_cache_dir() -> Path:
    """Returns the platform's folder for this program's caches; it may not exist yet.

    Raises:
        ConfigError: The user has no home folder, as in a container that runs under a numeric user
            id.
    """
    import platformdirs  # 2 ms, and the built-in networks need no cache

    try:
        folder = Path(platformdirs.user_cache_dir("tracker"))
    except RuntimeError:  # Releases before 4.10 return "~/.cache" as it is.
        folder = Path()
    if not folder.is_absolute():
        raise ConfigError(
            "cache: expected a home folder, got none; set HOME, or name a folder with "
            "detector.network.cache_dir and embedder.cache_dir (`tracker models`: --cache-dir)"
        )
    return folder


def exported_path(cache_dir: Path | None, key: str) -> Path | None:
    """Returns the path of an exported network; `None` where there is no cache folder.

    Args:
        cache_dir: Folder of this program's caches; `None` selects the platform's.
        key: From `cache_key`.
    """
    return _path(cache_dir, _EXPORTS, f"{key}.tflite")


def measured_path(cache_dir: Path | None, key: str) -> Path | None:
    """Returns the path of measured times of runtimes; `None` where there is no cache folder.

    Args:
        cache_dir: Folder of this program's caches; `None` selects the platform's.
        key: From `cache_key`.
    """
    return _path(cache_dir, _MEASURED, f"{key}.json")


def _path(cache_dir: Path | None, folder: str, name: str) -> Path | None:
    try:
        caches = default_cache_dir() if cache_dir is None else cache_dir
    except ConfigError as error:
        _warn_once(Path(), f"{error}; exported networks are not kept")
        return None
    return caches / folder / name


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


def cached(path: Path | None, make: Callable[[], bytes]) -> bytes:
    """Returns the content of a cached file, made and stored first where it is missing or damaged.

    Where several processes or threads need the same file at once, one of them makes it.

    Args:
        path: The file; `None` stores nothing.
        make: Makes the content.
    """
    if path is None:
        return make()
    content = _read(path)
    if content is None:
        with _locked(path) as is_held:
            content = _read(path)
            if is_held:
                _remove_leftovers(path)
            if content is None:
                content = make()
                _write(path, content)
    return content


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Locks a file and yields whether that worked: some file systems have no locks."""
    is_held = False
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(path.with_name(f"{path.name}.lock").open("ab"))
            is_held = try_lock(lock)
            if not is_held:
                logger.info("waiting for another process that makes the same file of the cache")
            end = time.monotonic() + _LONGEST_WAIT_S
            while not is_held and time.monotonic() < end:
                time.sleep(0.05)
                is_held = try_lock(lock)
        except OSError:
            pass  # Writing the file reports what is wrong.
        yield is_held


def _remove_leftovers(path: Path) -> None:
    """Removes unfinished files of processes that were killed."""
    with contextlib.suppress(OSError):
        for part in path.parent.glob(f"{path.name}.*{DRAFT}"):
            part.unlink()


def _read(path: Path) -> bytes | None:
    """Returns the content, or `None` if the file is missing or damaged."""
    try:
        stored = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        _warn_once(
            path.parent, f"cache {path.parent} cannot be read ({error.strerror}): going on without"
        )
        return None
    start = len(_MAGIC) + _DIGEST_SIZE
    content = stored[start:]
    if stored[:start] != _MAGIC + hashlib.sha256(content).digest():
        _warn_once(path, f"cache {path} is damaged: making it again")
        return None
    return content


def _write(path: Path, content: bytes) -> None:
    try:
        make_parent(path)
        # A unique name: on a file system without locks another process may write at the same time.
        replace_bytes(
            path,
            _MAGIC + hashlib.sha256(content).digest() + content,
            ending=f".{uuid.uuid4().hex}{DRAFT}",
        )
    except OutputError as error:
        reason = error.__cause__.strerror if isinstance(error.__cause__, OSError) else error
        _warn_once(
            path.parent,
            f"cache {path.parent} cannot be written ({reason}): going on without; every "
            "run exports its networks again; cache_dir in the configuration names another folder",
        )


_WARNED: set[Path] = set()


def _warn_once(subject: Path, message: str) -> None:
    """Logs the first warning about a folder or file in this process."""
    if subject not in _WARNED:
        _WARNED.add(subject)
        logger.warning("%s", message)
