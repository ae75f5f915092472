"""Objects as plain data and back."""

from collections import OrderedDict, deque
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np
import pytest

from tracker.errors import DataError
from tracker.util.plain_state import Kinds, restore, state_of, value_from
from tracker.util.state_file import state_bytes, state_from


class Colour(Enum):
    RED = "red"


class Point(NamedTuple):
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Box:
    size: Point


class Part:
    def __init__(self) -> None:
        self.limit = 3
        self.values = np.zeros(2)
        self.inner = None


class Whole:
    def __init__(self) -> None:
        self.part = Part()
        self.parts = [Part(), Part()]
        self.waiting = deque[int](maxlen=2)


KINDS = Kinds({Part: frozenset({"limit"}), Whole: frozenset()}, (Colour, Point, Box))
VALUES = [
    *(None, True, -3, 1e300, float("inf"), "text", b"\x00\xff", bytearray(b"ab")),
    *([1, [2.5]], (1, ("a",)), {1: 2.0, "k": None}, OrderedDict([(2, 1), (1, 2)])),
    *(deque([1, 2], maxlen=5), Colour.RED, Point(1.0, 2.0), Box(Point(0.0, -1.0))),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_survives_the_file(value: object) -> None:
    back = value_from(state_from(state_bytes(state_of(value, KINDS))), KINDS)
    assert back == value
    assert type(back) is type(value)
    if isinstance(value, deque):
        assert back.maxlen == value.maxlen


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int32).reshape(2, 3),
        np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1),
        np.zeros((0, 4), np.float32),
        np.array([np.nan, -0.0]),
        np.float64(2.5),
    ],
    ids=["c", "transposed", "empty", "nan", "scalar"],
)
def test_an_array_keeps_type_bits_and_the_order_of_its_axes(array: np.ndarray) -> None:
    back = value_from(state_from(state_bytes(state_of(array, KINDS))), KINDS)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert np.argsort(back.strides).tolist() == np.argsort(array.strides).tolist()


def test_a_state_is_a_copy() -> None:
    part = Part()
    state = state_of(part, KINDS)
    part.values += 1
    fresh = Part()
    restore(fresh, state, KINDS)
    assert fresh.values.tolist() == [0, 0]


def test_parts_are_restored_in_place_without_their_settings() -> None:
    old, new = Whole(), Whole()
    old.part.limit, old.part.values = 9, np.array([1.0, 2.0])
    old.parts[1].inner = Colour.RED
    old.waiting.append(4)
    same = new.parts[1]
    restore(new, state_from(state_bytes(state_of(old, KINDS))), KINDS)
    assert (new.part.limit, new.part.values.tolist()) == (3, [1, 2])
    assert new.parts[1] is same
    assert same.inner is Colour.RED
    assert list(new.waiting) == [4]


def wrong_states() -> list[tuple[str, object]]:
    whole = state_of(Whole(), KINDS)
    part = whole["content"]["part"]
    return [
        ("Whole", {**whole, "class": "x:y"}),
        ("Whole", 3),
        ("Whole", None),
        ("Whole.part", {**whole, "content": {**whole["content"], "part": None}}),
        ("Whole", {**whole, "content": {}}),
        ("parts", {**whole, "content": {**whole["content"], "parts": [part]}}),
        (
            "values",
            {
                **whole,
                "content": {
                    **whole["content"],
                    "part": state_of_changed(part, "values", state_of(np.zeros(2, int), KINDS)),
                },
            },
        ),
    ]


def state_of_changed(part: dict, name: str, value: object) -> dict:
    return {**part, "content": {**part["content"], name: value}}


@pytest.mark.parametrize(("where", "state"), wrong_states())
def test_a_state_of_something_else_is_refused(where: str, state: object) -> None:
    with pytest.raises(DataError, match=where):
        restore(Whole(), state, KINDS)


def test_a_class_that_is_not_declared_is_neither_copied_nor_made() -> None:
    with pytest.raises(TypeError, match="not among the classes"):
        state_of(object(), KINDS)
    with pytest.raises(DataError, match="a known class"):
        value_from({"$": "value", "class": "os:stat_result", "content": {}}, KINDS)


def test_damaged_bytes_are_one_error() -> None:
    whole = state_bytes({"a": np.arange(5), "b": [1, "x"]})
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        data = bytearray(whole)
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        try:
            state_from(bytes(data[: rng.integers(len(data)) or None]))
        except DataError:
            refused += 1
    assert refused > 190  # nothing else is raised; few bits have no meaning
