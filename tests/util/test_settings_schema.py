from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tracker.util.settings_schema import (
    descriptions,
    entry_of,
    enum_of,
    fields_of,
    object_schema,
    schema_of,
    value_texts,
)


class Speed(Enum):
    SLOW = "slow"
    """Takes
    its time."""
    FAST = "fast"


@dataclass(frozen=True)
class Inner:
    """Inner.

    Attributes:
        name: A name.
    """

    name: str


@dataclass(frozen=True)
class Outer:
    """Outer.

    Attributes:
        speed: How fast,
            in words.
        size: A size; `None` for any.
        inner: Several.

    Raises:
        ValueError: Never.
    """

    speed: Speed = Speed.SLOW
    size: int | str | None = None
    inner: tuple[Inner, ...] = ()


def test_a_dataclass_by_hand() -> None:
    inner = {
        "type": "object",
        "additionalProperties": False,
        "required": ["name"],
        "properties": {"name": {"description": "A name.", "type": "string"}},
    }
    assert object_schema(Outer) == {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "speed": {
                "description": "How fast, in words.",
                "enum": ["slow", "fast"],
                "default": "slow",
            },
            "size": {
                "description": "A size; `None` for any.",
                "anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}],
            },
            "inner": {"description": "Several.", "type": "array", "items": inner},
        },
    }


def test_single_types() -> None:
    assert schema_of(bool) == {"type": "boolean"}
    assert schema_of(float | None) == {"type": ["number", "null"]}
    assert schema_of(Speed | None) == {"enum": ["slow", "fast", None]}
    assert schema_of(Path | None) == {"type": ["string", "null"]}
    assert schema_of(tuple[int, int]) == {
        "type": "array",
        "items": {"type": "integer"},
        "minItems": 2,
        "maxItems": 2,
    }
    assert schema_of(dict[str, Speed]) == {
        "type": "object",
        "additionalProperties": {"enum": ["slow", "fast"]},
    }
    assert schema_of(str | Callable[[int], int]) == {"type": "string"}


def test_texts_of_docstrings() -> None:
    assert descriptions(Outer)["speed"] == "How fast, in words."
    assert value_texts(Speed) == {"slow": "Takes its time.", "fast": ""}


def test_what_is_below_a_field() -> None:
    fields = fields_of(Outer)
    assert list(fields) == ["speed", "size", "inner"]
    assert [entry_of(hint) for hint in fields.values()] == [None, None, Inner]
    assert [enum_of(hint) for hint in fields.values()] == [Speed, None, None]
    assert enum_of(Speed | None) is Speed
