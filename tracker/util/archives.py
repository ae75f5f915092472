"""Checks of foreign ZIP, NumPy and HDF5 files before memory is allocated for them.

A few bytes can declare gigabytes. The declared size is compared with what the file can hold, and a
mismatch is refused with one line before anything is read.
"""

import errno
import stat
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tracker.errors import DataError

LARGEST_BYTES = 4 << 30
"""Most bytes of a model, unpacked. The largest published detector has an eighth of them."""
LARGEST_TEXT = 16 << 20
"""Most bytes of a description or configuration in JSON; large networks have a tenth of them."""

_MOST_MEMBERS = 100_000
_SMALL = 64 << 20
_MOST_TIMES = 100
"""Largest compression ratio of members above `_SMALL`: weights hardly compress."""
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)
"""Errors of the library for a damaged, encrypted or unusual archive."""
H5_ERRORS = (KeyError, ValueError, TypeError, RuntimeError)
"""Errors of h5py for damaged content of an HDF5 file, and `DataError`, which is a `ValueError`."""
_NPY_ERRORS = (ValueError, TypeError, EOFError, SyntaxError, RecursionError, tokenize.TokenError)
"""Errors of NumPy for a damaged header, whose text Python's own parser reads."""


def check_size(path: str | PathLike[str], largest: int = LARGEST_BYTES) -> None:
    """Checks that a file is not too large to be read into memory.

    Raises:
        DataError: It has more bytes.
        OSError: Its size cannot be read.
    """
    found = Path(path).stat()
    if stat.S_ISREG(found.st_mode) and found.st_size > largest:
        raise DataError(f"expected at most {largest} bytes, got {found.st_size}")


def check_members(archive: zipfile.ZipFile) -> None:
    """Checks what an archive declares, before anything in it is read.

    Args:
        archive: An open archive.

    Raises:
        DataError: Its members are too many, too large, compressed by a method without a reliable
        size, or have names that occur twice or lead out of the folder.
    """
    members = archive.infolist()
    names = {member.filename for member in members}
    if len(members) > _MOST_MEMBERS or len(names) < len(members):
        raise DataError(f"{len(members)} members in it, {len(names)} of different names")
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts:
            raise DataError(f"member {member.filename} leads out of the archive")
        _check_declared(member)
    total = sum(member.file_size for member in members)
    if total > LARGEST_BYTES:
        raise DataError(f"expected at most {LARGEST_BYTES} bytes in it, got {total}")


def _check_declared(member: zipfile.ZipInfo) -> None:
    if member.compress_type not in _PACKED:
        raise DataError(f"member {member.filename}: expected it stored or deflated, got neither")
    times = 1 if member.compress_type == zipfile.ZIP_STORED else _MOST_TIMES
    if member.file_size > _SMALL and member.file_size > times * member.compress_size:
        raise DataError(
            f"member {member.filename} declares {member.file_size} bytes, packed into "
            f"{member.compress_size}"
        )


def read_member(archive: zipfile.ZipFile, name: str, *, largest: int = LARGEST_TEXT) -> bytes:
    """Returns a member of an archive; KeyError if there is none.

    Args:
        archive: An open archive.
        name: The member.
        largest: Most bytes that it may have.

    Raises:
        DataError: It declares more bytes, or is compressed by a method without a reliable size.
    """
    member = archive.getinfo(name)
    _check_declared(member)
    if member.file_size > largest:
        raise DataError(f"member {name} declares {member.file_size} bytes, at most {largest}")
    with archive.open(member) as file:
        return file.read(largest + 1)


def read_npz(path: Path) -> dict[str, Any]:
    """Returns the arrays of an `.npz` by name.

    Args:
        path: The file.

    Raises:
        DataError: It is no such archive, is damaged, holds objects, or an array declares more
            values than the file has.
        OSError: It cannot be read.
    """
    import numpy as np

    try:
        with path.open("rb") as stream, without_warnings():
            with zipfile.ZipFile(stream) as archive:
                check_members(archive)
                for member in archive.infolist():
                    with archive.open(member) as file:
                        _check_npy(file, member.file_size, member.filename)
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
    except DataError:
        raise
    except (*ZIP_ERRORS, *_NPY_ERRORS, KeyError, struct.error) as error:
        raise DataError(f"no arrays of NumPy: {_first_line(error)}") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # of an offset outside the file
            raise
        raise DataError("no arrays of NumPy: an offset leads out of the file") from error


def read_npy(path: Path) -> Any:
    """Returns the array of a `.npy`.

    Raises:
        DataError: It is no array file, is truncated, or holds objects. OSError: It cannot be read.
    """
    import numpy as np

    try:
        with path.open("rb") as stream, without_warnings():
            _check_npy(stream, path.stat().st_size, path.name)
            stream.seek(0)
            return np.load(stream, allow_pickle=False)
    except DataError:
        raise
    except _NPY_ERRORS as error:
        raise DataError(f"no array of NumPy: {_first_line(error)}") from error


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keeps quiet what NumPy says of headers in an old form, which it reads all the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _first_line(error: Exception) -> str:
    """Returns the beginning of a message, or the name of an error without one."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _check_npy(file: IO[bytes], size: int, name: str) -> None:
    """Checks that an array does not declare more values than there are bytes for them."""
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    place = file.tell()
    width = 2 if version == (1, 0) else 4
    length = int.from_bytes(file.read(width), "little")
    if length > size:  # the library allocates it before it reads
        raise DataError(f"{name} declares a header of {length} bytes in {size}")
    file.seek(place)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    sides = (*shape, prod(shape) * dtype.itemsize)
    # A side of 10^30 beside one of 0 declares no value, but is beyond the library's integers.
    if dtype.hasobject or min(sides) < 0 or max(sides) >= 1 << 63 or sides[-1] > size:
        raise DataError(f"{name} declares {dtype} {shape} in {size} bytes")


def check_h5(source: str | PathLike[str] | IO[bytes], size: int) -> None:
    """Checks that an HDF5 file holds what it declares, and points to no other file.

    Args:
        source: A path, or an open file that can be searched.
        size: Its bytes.

    Raises:
        DataError: It points to other files, or declares more values than it can hold.
        OSError: It is no HDF5 file.
    """
    import h5py

    with h5py.File(source, "r") as file:
        total = 0
        seen = set()
        waiting: list[Any] = [file]
        while waiting:
            node = waiting.pop()
            key = h5py.h5o.get_info(node.id).addr
            if key in seen:
                continue
            seen.add(key)
            if isinstance(node, h5py.Dataset):
                total += _declared_bytes(node)
            elif isinstance(node, h5py.Group):
                waiting += _children(node, h5py.ExternalLink, h5py.SoftLink)
        if total > max(LARGEST_BYTES if size > _SMALL else 2 * _SMALL, size):
            raise DataError(f"its datasets declare {total} bytes, in a file of {size}")


def _children(group: Any, external: type, soft: type) -> list[Any]:
    found = []
    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, external):
            raise DataError(f"{group.name}/{name} points to another file")
        if not isinstance(link, soft):
            found.append(group[name])
    return found


def _declared_bytes(dataset: Any) -> int:
    if dataset.external or dataset.is_virtual:
        raise DataError(f"dataset {dataset.name} points to another file")
    declared = int(dataset.size or 0) * int(dataset.dtype.itemsize)
    stored = int(dataset.id.get_storage_size())
    if declared > _SMALL and declared > _MOST_TIMES * stored:
        raise DataError(f"dataset {dataset.name} declares {declared} bytes and holds {stored}")
    return declared


def check_weights_member(path: Path, name: str) -> None:
    """Checks the HDF5 file that is a member of a `.keras` archive; see `check_h5`.

    Raises:
        DataError: It points to other files, declares more than it can hold, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_members(archive)
            member = archive.getinfo(name)
            with archive.open(member) as file:
                check_h5(file, member.file_size)
    except DataError:
        raise
    except (*ZIP_ERRORS, *H5_ERRORS, OSError) as error:
        raise DataError(f"{name} in it is damaged: {_first_line(error)}") from error


def checked(read: Callable[[], Any], error: type[Exception], what: str) -> Any:
    """Returns the result of `read`; its `DataError` becomes an error of another type.

    Args:
        read: Reads or checks something.
        error: The type.
        what: Beginning of the message.
    """
    try:
        return read()
    except DataError as cause:
        raise error(f"{what}: {cause}") from cause
