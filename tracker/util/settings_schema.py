"""Frozen settings described for people and editors: their docstrings, and JSON Schemas."""

import ast
import dataclasses
import inspect
import re
import textwrap
import types
import typing
from enum import Enum
from pathlib import PurePath
from typing import Any

from tracker.util.settings_tree import dataclass_of

DRAFT = "https://json-schema.org/draft/2020-12/schema"

_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def object_schema(kind: type) -> dict[str, Any]:
    """Returns the JSON Schema 2020-12 of a dataclass, with the texts of its docstring.

    Args:
        kind: A dataclass; its fields may be dataclasses in turn.
    """
    hints = typing.get_type_hints(kind)
    described = descriptions(kind)
    properties, required = {}, []
    for field in dataclasses.fields(kind):
        properties[field.name] = {
            "description": described[field.name],
            **schema_of(hints[field.name]),
        }
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            required.append(field.name)
        elif isinstance(default, Enum):
            properties[field.name]["default"] = default.value
        elif isinstance(default, str | int | float):
            properties[field.name]["default"] = default
    found: dict[str, Any] = {"type": "object", "additionalProperties": False}
    if required:
        found["required"] = required
    return found | {"properties": properties}


def schema_of(hint: Any) -> dict[str, Any]:
    """Returns the JSON Schema of the values of one type; functions have none."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        schemas = [schema for one in parts if one is not type(None) and (schema := schema_of(one))]
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        return _or_null(schema) if type(None) in parts else schema
    if origin is tuple:
        several = {"type": "array", "items": schema_of(parts[0])}
        size = len(parts)
        return several if ... in parts else several | {"minItems": size, "maxItems": size}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(parts[1])}
    return _plain_schema(hint) if isinstance(hint, type) else {}


def _plain_schema(hint: type) -> dict[str, Any]:
    if dataclasses.is_dataclass(hint):
        return object_schema(hint)
    if issubclass(hint, Enum):
        return {"enum": [word.value for word in hint]}
    return {"type": "string" if issubclass(hint, PurePath) else _TYPES[hint]}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if "enum" in schema:
        return schema | {"enum": [*schema["enum"], None]}
    if "type" in schema:
        return schema | {"type": [schema["type"], "null"]}
    return {"anyOf": [*schema["anyOf"], {"type": "null"}]}


def descriptions(kind: type) -> dict[str, str]:
    """Returns the text of each attribute in the docstring of a class, by name."""
    text = (kind.__doc__ or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        match = re.match(r" {8}(\w+): (.*)", line)
        if match:
            name = match[1]
            found[name] = match[2]
        elif name:
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def value_texts(kind: type[Enum]) -> dict[str, str]:
    """Returns the docstring of each member of an enumeration, by value; "" where there is none."""
    texts = {str(member.value): "" for member in kind}
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    for node, after in zip(body.body, body.body[1:], strict=False):
        is_member = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if is_member and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            name = node.targets[0].id  # type: ignore[attr-defined]
            texts[str(kind[name].value)] = " ".join(str(after.value.value).split())
    return texts


def enum_of(hint: Any) -> type[Enum] | None:
    """Returns the enumeration `X` of the types `X` and `X | None`; `None` for other types."""
    for one in (hint, *typing.get_args(hint)):
        if isinstance(one, type) and issubclass(one, Enum):
            return one
    return None


def fields_of(kind: type) -> dict[str, Any]:
    """Returns the types of a dataclass's fields by name, in their order."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def entry_of(hint: Any) -> type | None:
    """Returns the dataclass whose keys are below a value of this type; `None` if there is none."""
    parts = typing.get_args(hint)
    if typing.get_origin(hint) is tuple and dataclasses.is_dataclass(parts[0]):
        return typing.cast(type, parts[0])
    return dataclass_of(hint)
