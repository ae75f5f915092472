"""New values in a YAML text that keeps its comments, order and style (`ruamel.yaml`)."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

_WIDEST = 4096
_INDENTED_LIST = re.compile(r"^\w+:[^\n]*\n(?:\s*#[^\n]*\n)*  +- ", re.MULTILINE)


def with_values(text: str, tree: Mapping[str, Any]) -> str | None:
    """Returns a YAML text with other values; what stays equal stays as it was written.

    Entries of lists that have a `name` are found by it, so that their comments move with them.
    Lines of comments that have lost their place, beside an entry that was removed, go to the end.

    Args:
        text: The text, with a mapping at its top.
        tree: All values of the new text: plain JSON types.

    Returns:
        The text; `None` if the old one cannot be changed in place.
    """
    writer = YAML()
    writer.preserve_quotes = True
    writer.width = _WIDEST
    if _INDENTED_LIST.search(text):
        writer.indent(mapping=2, sequence=4, offset=2)
    try:
        document = writer.load(text)
        if not isinstance(document, CommentedMap):
            return None
        _update(document, tree)
        stream = StringIO()
        writer.dump(document, stream)
        changed = stream.getvalue()
        if yaml.safe_load(changed) != tree:
            return None
    except (YAMLError, yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError):
        return None  # ruamel.yaml raises the last ones for unusual tags and merge keys.
    lost = Counter(_comment_lines(text)) - Counter(_comment_lines(changed))
    return changed + "".join(f"{line}\n" for line in lost.elements())


def _comment_lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.lstrip().startswith("#")]


def _update(node: CommentedMap, tree: Mapping[str, Any]) -> None:
    for key in [key for key in node if key not in tree]:
        del node[key]
    for key, value in tree.items():
        if key not in node or _plain(node[key]) != value:
            node[key] = _merged(node.get(key), value)


def _merged(old: Any, value: Any) -> Any:
    if isinstance(value, Mapping) and isinstance(old, CommentedMap):
        _update(old, value)
        return old
    if isinstance(value, list) and _has_names(value):
        known = {name: one for one in _list(old) if isinstance(name := _name(one), str)}
        entries = CommentedSeq(_merged(known.get(one["name"]), one) for one in value)
        if isinstance(old, CommentedSeq):
            _move_comments(old, entries)
        return entries
    return _new(value)


def _move_comments(old: CommentedSeq, entries: CommentedSeq) -> None:
    """Gives entries that stay the comments that stand before them."""
    places = {id(one): index for index, one in enumerate(entries)}
    for index, one in enumerate(old):
        if id(one) in places and index in old.ca.items:
            entries.ca.items[places[id(one)]] = old.ca.items[index]
    entries.ca.comment = old.ca.comment


def _has_names(entries: Sequence[Any]) -> bool:
    return bool(entries) and all(isinstance(one, Mapping) and "name" in one for one in entries)


def _name(entry: Any) -> Any:
    """Returns the name of an entry of the old text, which may be no mapping or have no name."""
    return entry.get("name") if isinstance(entry, CommentedMap) else None


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, CommentedSeq) else ()


def _new(value: Any) -> Any:
    """Returns values in block style, but lists without names in one line."""
    if isinstance(value, Mapping):
        return CommentedMap({key: _new(one) for key, one in value.items()})
    if isinstance(value, list):
        made = CommentedSeq(_new(one) for one in value)
        if not _has_names(value):
            made.fa.set_flow_style()
        return made
    return (
        DoubleQuotedScalarString(value)
        if isinstance(value, str) and _needs_quotes(value)
        else value
    )


def _needs_quotes(text: str) -> bool:
    """Returns whether a text is something else to the reader, as "on" is in YAML 1.1."""
    try:
        return bool(yaml.safe_load(text) != text)
    except (yaml.YAMLError, ValueError):  # The latter for a date such as 2024-13-45.
        return True


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
