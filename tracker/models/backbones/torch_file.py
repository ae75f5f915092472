"""Reads weights from a PyTorch checkpoint without PyTorch.

Supports the format that PyTorch wrote by default before 1.6. Such files are pickles, which can
execute code: this reader accepts tensors and dictionaries only and refuses everything else.
"""

import io
import pickle
import pickletools
from collections import OrderedDict
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tracker.errors import ModelError
from tracker.util.archives import check_size
from tracker.util.paths import unreadable_text

_MOST_OBJECTS = 1_000_000
_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES = {
    "FloatStorage": np.dtype(np.float32),
    "HalfStorage": np.dtype(np.float16),
    "DoubleStorage": np.dtype(np.float64),
    "LongStorage": np.dtype(np.int64),
}


def read_torch_weights(path: str | PathLike[str]) -> dict[str, np.ndarray]:
    """Returns the tensors of a state dictionary by name, each a copy of its own.

    Raises:
        ModelError: The file is missing, cut short, of another format, or contains anything other
            than tensors.
    """
    try:
        check_size(path)
        # In memory, where a false declared length cannot allocate more than the file's size.
        return _read(io.BytesIO(Path(path).read_bytes()))
    except OSError as error:
        raise ModelError(f"weights {path}: {unreadable_text(path, error)}") from error
    except Exception as error:  # a pickle can raise any class of error
        raise ModelError(
            f"weights {path}: expected tensors as PyTorch wrote them before 1.6, got something "
            f"else or a part: {(str(error).splitlines() or [type(error).__name__])[0]}"
        ) from error


def _read(file: io.BytesIO) -> dict[str, np.ndarray]:
    if _unpickled(file) != _MAGIC:
        raise ModelError("another magic number at its start")
    _unpickled(file)  # version of the protocol
    _unpickled(file)  # system information; all machines in use are little-endian
    tensors = _unpickled(file)
    dtypes = {key: dtype for (key, dtype), *_ in tensors.values()}
    storages = {}
    for key in _unpickled(file):
        count = int(np.frombuffer(file.read(8), "<i8")[0])
        dtype = dtypes[key]
        storages[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype, count)
    return {name: _tensor(storages, *parts) for name, parts in tensors.items()}


def _unpickled(file: io.BytesIO) -> Any:
    """Returns the next object, after checking that its pickle has no oversized memo table."""
    start = file.tell()
    for operation, argument, _ in pickletools.genops(file):
        if operation.name == "LONG_BINPUT" and int(argument or 0) > _MOST_OBJECTS:
            raise ModelError(f"more than {_MOST_OBJECTS} objects")
    file.seek(start)
    return _Unpickler(file).load()


def _tensor(
    storages: dict[str, np.ndarray],
    storage: tuple[str, np.dtype[Any]],
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
) -> np.ndarray:
    values = storages[storage[0]][offset:]
    reach = sum((side - 1) * step for side, step in zip(shape, strides, strict=True)) + 1
    if min((*shape, 1)) < 1 or min((*strides, 0)) < 0 or reach > len(values):
        raise ModelError(f"a tensor {shape} reaches out of its {len(values)} values")
    if prod(shape) > len(values):  # Strides of 0 repeat values.
        raise ModelError(f"a tensor {shape} has more than its {len(values)} values")
    return as_strided(values, shape, [step * values.itemsize for step in strides]).copy()


class _Unpickler(pickle.Unpickler):
    """Accepts only the classes that a state dictionary consists of."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: (storage, offset, shape, strides)
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise ModelError(f"{module}.{name} is not allowed in a file of tensors")

    def persistent_load(self, pid: Any) -> Any:
        _, dtype, key, *_ = pid
        return key, dtype
