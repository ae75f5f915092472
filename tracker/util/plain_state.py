"""Objects as plain data, and back: what a run that is interrupted needs to go on.

`state_of` turns an object into numbers, text, arrays, lists and mappings; `restore` puts them into
an object that was made anew with the same settings. Which attributes of a class are no state is
declared (`Kinds.parts`); all others are, so that a new attribute cannot be forgotten. No class is
made from a name that is not declared (`Kinds.values`).
"""

import dataclasses
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import DataError

PlainState = Any
"""None, bool, int, float, text, arrays, and lists and mappings with text as keys of these."""

_SCALARS = {type(None), bool, int, float, str}
_TAG, _CONTENT, _CLASS = "$", "content", "class"


@dataclass(frozen=True, slots=True)
class Kinds:
    """The classes whose objects have a state.

    Attributes:
        parts: Classes of objects that are restored in place, each with the attributes that are no
            state: settings, and what belongs to the process (files, networks).
        values: Data classes, named tuples and enumerations that are made anew from their fields.
    """

    parts: Mapping[type, frozenset[str]] = field(default_factory=dict)
    values: tuple[type, ...] = ()

    def __or__(self, other: "Kinds") -> "Kinds":
        return Kinds({**self.parts, **other.parts}, (*self.values, *other.values))


def state_of(value: Any, kinds: Kinds) -> PlainState:
    """Returns a copy of an object as plain data.

    Args:
        value: Of a class of `kinds`, or a built-in container, number or array.
        kinds: The classes.

    Raises:
        TypeError: A class is not among `kinds`.

    Example:
        >>> state_of((1, [2.5, "a"]), Kinds())
        {'$': 'tuple', 'content': [1, [2.5, 'a']]}
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind in kinds.parts:
        content = {
            name: state_of(getattr(value, name), kinds) for name in state_names(value, kinds)
        }
        return {_TAG: "part", _CLASS: class_name(kind), _CONTENT: content}
    if kind in kinds.values:
        return _value_state(value, kinds)
    return _built_in_state(value, kinds)


def restore(fresh: Any, state: PlainState, kinds: Kinds) -> None:
    """Puts a state into an object that was made anew.

    Args:
        fresh: Of the class and the settings of the object that `state` was taken of.
        state: From `state_of`.
        kinds: The classes.

    Raises:
        DataError: The state does not fit the object.
    """
    _check(type(fresh) in kinds.parts, type(fresh).__name__, "an object with a state")
    is_restored = _restored(state, fresh, kinds, type(fresh).__name__) is fresh
    _check(is_restored, type(fresh).__name__, "an object with a state")


def value_from(state: PlainState, kinds: Kinds) -> Any:
    """Returns the value that a state was taken of, which holds no object restored in place.

    Raises:
        DataError: The state is malformed.
    """
    return _restored(state, None, kinds, "value")


def state_names(part: Any, kinds: Kinds) -> list[str]:
    """Returns the names of the attributes of an object that are its state."""
    constants = kinds.parts[type(part)]
    return [name for name in _attribute_names(part) if name not in constants]


def class_name(kind: type) -> str:
    """Returns the name of a class in a state: its module and its name."""
    return f"{kind.__module__}:{kind.__name__}"


def _attribute_names(part: Any) -> list[str]:
    if dataclasses.is_dataclass(part):
        return [one.name for one in dataclasses.fields(part)]
    return list(vars(part))


def _value_state(value: Any, kinds: Kinds) -> PlainState:
    kind = type(value)
    if isinstance(value, Enum):
        return {_TAG: "enum", _CLASS: class_name(kind), _CONTENT: value.value}
    names = value._fields if isinstance(value, tuple) else _attribute_names(value)  # type: ignore[attr-defined]
    content = {name: state_of(getattr(value, name), kinds) for name in names}
    return {_TAG: "value", _CLASS: class_name(kind), _CONTENT: content}


def _built_in_state(value: Any, kinds: Kinds) -> PlainState:
    kind = type(value)
    if kind in (list, tuple, deque):
        items = [state_of(item, kinds) for item in value]
        if kind is list:
            return items
        more = {"most": value.maxlen} if kind is deque else {}
        return {_TAG: kind.__name__, _CONTENT: items, **more}
    if kind in (dict, OrderedDict):
        items = [[state_of(key, kinds), state_of(one, kinds)] for key, one in value.items()]
        return {_TAG: kind.__name__, _CONTENT: items}
    if kind in (bytes, bytearray):
        return {_TAG: kind.__name__, _CONTENT: np.frombuffer(bytes(value), np.uint8)}
    if isinstance(value, np.ndarray | np.generic):
        return _array_state(value)
    raise TypeError(f"{class_name(kind)} is not among the classes with a state")


def _array_state(array: NDArray[Any] | np.generic) -> PlainState:
    """Returns a dense copy, with the order of its axes in memory: sums depend on it."""
    if isinstance(array, np.generic):
        return {_TAG: "number", _CONTENT: np.array(array)}
    if array.dtype.hasobject:
        raise TypeError("arrays of objects have no state")
    axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    dense = np.array(array.transpose(axes), order="C", copy=True)
    return {_TAG: "array", _CONTENT: dense, "axes": axes, "fixed": not array.flags.writeable}


def _restored(state: PlainState, fresh: Any, kinds: Kinds, where: str) -> Any:
    """Returns what a state was taken of; an object with a state is `fresh` itself."""
    if type(state) in _SCALARS:
        is_same = fresh is None or type(fresh) in _SCALARS or state is None
        _check(is_same, where, f"a {type(fresh).__name__}")
        return state
    if isinstance(state, list):
        return _restored_list(state, fresh, kinds, where)
    _check(isinstance(state, dict) and _CONTENT in state, where, "a state")
    tag = state.get(_TAG)
    if tag in ("part", "value", "enum"):
        return _restored_object(state, fresh, kinds, where)
    if tag in ("dict", "OrderedDict", "tuple", "deque"):
        return _restored_container(state, fresh, kinds, where)
    return _restored_array(state, fresh, where)


def _restored_container(state: dict[str, Any], fresh: Any, kinds: Kinds, where: str) -> Any:
    tag, content = state[_TAG], state[_CONTENT]
    _check(isinstance(content, list), where, "a list")
    if tag in ("dict", "OrderedDict"):
        pairs = _restored_pairs(content, fresh, kinds, where)
        return OrderedDict(pairs) if tag == "OrderedDict" else dict(pairs)
    items = (_restored(item, None, kinds, where) for item in content)
    return tuple(items) if tag == "tuple" else deque(items, maxlen=state.get("most"))


def _restored_list(state: list[Any], fresh: Any, kinds: Kinds, where: str) -> list[Any]:
    if isinstance(fresh, list) and any(type(one) in kinds.parts for one in fresh):
        _check(len(fresh) == len(state), where, f"{len(fresh)} parts")
        for number, (item, one) in enumerate(zip(state, fresh, strict=True)):
            _restored(item, one, kinds, f"{where}[{number}]")
        return fresh
    return [_restored(item, None, kinds, where) for item in state]


def _restored_pairs(
    content: list[Any], fresh: Any, kinds: Kinds, where: str
) -> Iterator[tuple[Any, Any]]:
    known = fresh if isinstance(fresh, dict) else {}
    for pair in content:
        _check(isinstance(pair, list) and len(pair) == 2, where, "pairs")
        key = _restored(pair[0], None, kinds, where)
        one = known.get(key)
        one = one if type(one) in kinds.parts or isinstance(one, np.ndarray) else None
        yield key, _restored(pair[1], one, kinds, where)


def _restored_object(state: dict[str, Any], fresh: Any, kinds: Kinds, where: str) -> Any:
    name, content = state.get(_CLASS), state[_CONTENT]
    if state[_TAG] == "part":
        is_same = fresh is not None and class_name(type(fresh)) == name
        _check(is_same, where, "no part" if fresh is None else class_name(type(fresh)))
        _restore_part(content, fresh, kinds, where)
        return fresh
    kind = next((one for one in kinds.values if class_name(one) == name), None)
    _check(kind is not None, where, "a known class")
    assert kind is not None
    if state[_TAG] == "enum":
        try:
            return kind(content)
        except ValueError as error:
            raise DataError(f"{where}: {error}") from error
    _check(isinstance(content, dict), where, "fields")
    fields = {key: _restored(one, None, kinds, f"{where}.{key}") for key, one in content.items()}
    try:
        return kind(**fields)
    except TypeError as error:  # Fields that the class does not have, or has besides.
        raise DataError(f"{where}: {error}") from error


def _restore_part(content: Any, fresh: Any, kinds: Kinds, where: str) -> None:
    names = state_names(fresh, kinds)
    _check(isinstance(content, dict) and content.keys() == set(names), where, f"fields {names}")
    for name in names:
        old = getattr(fresh, name)
        new = _restored(content[name], old, kinds, f"{where}.{name}")
        _check(new is old or type(old) not in kinds.parts, f"{where}.{name}", "a part")
        if new is not old:
            setattr(fresh, name, new)


def _restored_array(state: dict[str, Any], fresh: Any, where: str) -> Any:
    tag, dense, axes = state.get(_TAG), state[_CONTENT], state.get("axes")
    _check(isinstance(dense, np.ndarray), where, "an array")
    if tag in ("bytes", "bytearray"):
        return bytes(dense) if tag == "bytes" else bytearray(dense)
    if tag == "number":
        return dense[()]
    _check(tag == "array", where, "a known kind of state")
    _check(
        isinstance(axes, list) and sorted(axes) == list(range(dense.ndim)), where, "axes of memory"
    )
    array = np.array(dense, order="C", copy=True).transpose(
        np.argsort(np.array(axes, np.intp)).tolist()
    )
    if isinstance(fresh, np.ndarray):
        is_like = array.dtype == fresh.dtype and array.ndim == fresh.ndim
        _check(is_like, where, f"{fresh.dtype} of {fresh.ndim} dimensions")
    array.setflags(write=not state.get("fixed"))
    return array


def _check(is_right: bool, where: str, expected: str) -> None:
    if not is_right:
        raise DataError(f"state of {where}: expected {expected}, got something else")
