"""Files at addresses of object stores, through fsspec (extra `remote`); local paths as they are."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from tracker.errors import (
    ConfigError,
    DependencyError,
    OutputError,
    SourceError,
    TrackerError,
)
from tracker.util.address import mask_words, scheme_of, shown_address
from tracker.util.atomic_file import replace_text, replaced_file
from tracker.util.optional_library import optional_library


def is_remote(path: str) -> bool:
    """Returns whether a path is an address, such as `s3://BUCKET/in.mp4`."""
    return scheme_of(path) is not None


def joined(folder: str, name: str) -> str:
    """Returns the path of a file in a folder, of which one may be an address.

    Example:
        >>> joined("s3://bucket/results/", "a/in.mp4")
        's3://bucket/results/a/in.mp4'
    """
    return f"{folder.rstrip('/')}/{name}" if is_remote(folder) else str(Path(folder) / name)


def path_in(url: str) -> str:
    """Returns the path in an address; of the web, without what follows `?` or `#`.

    Example:
        >>> path_in("https://host/a/in.mp4?key=secret"), path_in("s3://bucket/a?.mp4")
        ('/a/in.mp4', 'bucket/a?.mp4')
    """
    if scheme_of(url) in {"http", "https"}:
        return urlsplit(url).path
    return url.partition("://")[2]


def check_address(url: str) -> None:
    """Checks that there is a library for an address.

    Raises:
        ConfigError: The scheme is not known.
        DependencyError: fsspec, or the library that it needs for this scheme, is not installed.
    """
    _filesystem(url)


def matches(pattern: str) -> tuple[str, list[str]]:
    """Returns the fixed part of a pattern, and the addresses of files that match it, sorted.

    Args:
        pattern: An address; `*`, `?`, `[` and `**` in it match as in a shell.

    Raises:
        SourceError: It cannot be read.
    """
    system, path = _filesystem(pattern)
    with _failing_as(SourceError, pattern):
        if system.isdir(path):
            found, root = system.find(path), path
        else:
            found, root = system.glob(path), _fixed_part(path)
        files = sorted(str(one) for one in found if system.isfile(one))
        return _address(root, pattern), [_address(one, pattern) for one in files]


def size_of(path: str) -> int:
    """Returns the bytes of a file.

    Raises:
        SourceError: It cannot be read.
    """
    if not is_remote(path):
        return Path(path).stat().st_size
    system, name = _filesystem(path)
    with _failing_as(SourceError, path):
        return int(system.size(name))


def exists(path: str) -> bool:
    """Returns whether there is a file.

    Raises:
        SourceError: The store does not answer.
    """
    if not is_remote(path):
        return Path(path).exists()
    system, name = _filesystem(path)
    with _failing_as(SourceError, path):
        return bool(system.exists(name))


@contextmanager
def reading(path: str) -> Iterator[BinaryIO]:
    """Returns a context with a file, open for reading; parts of a remote one are read on demand.

    Raises:
        SourceError: A remote one cannot be read.
        OSError: A local one cannot be read.
    """
    if not is_remote(path):
        with open(path, "rb") as file:
            yield file
        return
    system, name = _filesystem(path)
    with _failing_as(SourceError, path), system.open(name, "rb") as file:
        yield cast(BinaryIO, file)


def download(url: str, path: Path) -> None:
    """Copies a file of a store to this machine.

    Raises:
        SourceError: It cannot be read, or there is no room for it.
    """
    with _failing_as(SourceError, url), reading(url) as file, path.open("wb") as target:
        shutil.copyfileobj(file, target, 2**22)


def upload(path: Path, target: str) -> None:
    """Copies a file of this machine to a store; readers see it whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    if not is_remote(target):
        with replaced_file(Path(target)) as draft:
            shutil.copyfile(path, draft)
        return
    system, name = _filesystem(target)
    with _failing_as(OutputError, target):
        with suppress(NotImplementedError, PermissionError):
            system.makedirs(name.rpartition("/")[0], exist_ok=True)
        # Not `put`: a stream is finished at its close, also where the system has plain files.
        with path.open("rb") as file, system.transaction, system.open(name, "wb") as remote:
            shutil.copyfileobj(file, remote, 2**22)


def write_text(path: str, text: str) -> None:
    """Writes a file in UTF-8, or replaces it at once.

    Raises:
        OutputError: It cannot be written.
    """
    if not is_remote(path):
        replace_text(Path(path), text)
        return
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "text"
        draft.write_bytes(text.encode("utf-8", "backslashreplace"))
        upload(draft, path)


def remove(path: str) -> None:
    """Removes a file, if there is one.

    Raises:
        OutputError: It cannot be removed.
    """
    if not is_remote(path):
        Path(path).unlink(missing_ok=True)
        return
    system, name = _filesystem(path)
    with _failing_as(OutputError, path):
        if system.exists(name):
            system.rm(name)


def remove_folder(path: str) -> None:
    """Removes a folder and all that is in it, if there is one.

    Raises:
        OutputError: One in a store cannot be removed.
    """
    if not is_remote(path):
        shutil.rmtree(path, ignore_errors=True)
        return
    system, name = _filesystem(path)
    with _failing_as(OutputError, path):
        if system.exists(name):
            system.rm(name, recursive=True)


def _filesystem(url: str) -> tuple[Any, str]:
    """Returns the file system of an address, and the path in it."""
    fsspec = optional_library("fsspec", purpose="addresses of object stores", extra="remote")
    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise DependencyError(f"{shown_address(url)}: {error}") from error
    except ValueError as error:
        raise ConfigError(
            f"{shown_address(url)}: expected an address that fsspec knows, such as s3:// or "
            f"gs://: {error}"
        ) from error
    return system, str(path)


def _address(path: str, given: str) -> str:
    """Returns the address of a path that was found in the file system of a given address.

    Some systems know their paths without the host, user or account that the address names.
    """
    system, given_path = _filesystem(given)
    scheme, _, rest = given.partition("://")
    host = rest.partition("/")[0]
    candidates = [system.unstrip_protocol(path)]
    if given.endswith(given_path):
        candidates.append(given.removesuffix(given_path) + path)
    candidates += [f"{scheme}://{host}/{path.lstrip('/')}"]
    candidates += [f"{scheme}://{host}/{path.lstrip('/').partition('/')[2]}"]
    for candidate in candidates:
        if _filesystem(candidate) == (system, path):
            return str(candidate)
    return str(candidates[0])


@contextmanager
def _failing_as(kind: type[TrackerError], url: str) -> Iterator[None]:
    try:
        yield
    except TrackerError:
        raise
    except FileNotFoundError as error:
        raise kind(f"{shown_address(url)}: there is no such file") from error
    # The libraries of stores raise what they like: botocore, aiohttp, google.
    except Exception as error:
        text = mask_words(str(error).split("\n", 1)[0], [url]) or type(error).__name__
        raise kind(f"{shown_address(url)}: {text}") from error


def _fixed_part(path: str) -> str:
    """Returns the folders of a path before the first one that is a pattern."""
    fixed = []
    for part in path.split("/")[:-1]:
        if any(mark in part for mark in "*?["):
            break
        fixed.append(part)
    return "/".join(fixed)
