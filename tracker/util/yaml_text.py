"""YAML to values: the only YAML reader of the package.

Every text gives values or a one-line `ConfigError` that names the file and the line. A key that
occurs twice is an error; anchors and merge keys are allowed as far as they stay small.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tracker.errors import ConfigError
from tracker.util.paths import unreadable_text
from tracker.util.short_repr import short_repr

LARGEST_FILE = 1 << 20
"""Most bytes of a file; the longest published list of class names has a fiftieth of them."""

_MOST_NODES = 100_000
_DEEPEST = 40
_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_NOT_PLAIN_KEYS = (_MERGE, "tag:yaml.org,2002:value")


class _Refused(Exception):  # noqa: N818 - never leaves this module
    """What is wrong, without the file, and the line from 1."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.line = line


class _Loader(yaml.SafeLoader):
    """Safe YAML 1.1 with a limit to depth and size, aliases counted at full length."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Returns the next node, unless it is too deep, too large, or a part of itself."""
        line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self._sizes:
                raise _Refused("expected no alias that contains itself", line)
            self._count(self._sizes[id(node)], line)
            return node
        if self._depth >= _DEEPEST:
            raise _Refused(f"expected at most {_DEEPEST} levels of nesting", line)
        before = self._nodes
        self._count(1, line)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        self._sizes[id(node)] = self._nodes - before
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Returns the next mapping, unless a key occurs twice in it."""
        node = super().compose_mapping_node(anchor)
        lines: dict[Any, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise _Refused("expected a word as key, got a list or keys", line)
            value = key.value if key.tag in _NOT_PLAIN_KEYS else self.construct_object(key)
            if value in lines:
                raise _Refused(
                    f"key {short_repr(value)} occurs twice, first in line {lines[value]}", line
                )
            lines[value] = line
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Puts the pairs of merge keys before the own ones of a mapping, which override them.

        Of several merged mappings the first wins. PyYAML 6.0.4 has the wrong precedence where a
        merged mapping has a merge key itself.
        """
        merged: list[tuple[yaml.Node, yaml.Node]] = []
        own = []
        for key, value in node.value:
            if key.tag != _MERGE:
                own.append((key, value))
                continue
            parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for part in reversed(parts):
                if not isinstance(part, yaml.MappingNode):
                    line = value.start_mark.line + 1
                    raise _Refused("expected keys, or a list of such, after '<<'", line)
                self.flatten_mapping(part)
                merged += part.value
        last = {(key.tag, key.value): (key, value) for key, value in [*merged, *own]}
        node.value = list(last.values())

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Returns the value of a node; errors name a value that does not fit its tag or form."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError, OverflowError):
            kind = node.tag.rpartition(":")[2]
            raise _Refused(
                f"{short_repr(node.value)} cannot be read as {kind}; text stands in quotes",
                node.start_mark.line + 1,
            ) from None

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > _MOST_NODES:
            raise _Refused(f"expected at most {_MOST_NODES} values, aliases written out", line)


def read_yaml(path: str | Path, *, texts: Sequence[str] = ()) -> dict[str, Any]:
    """Returns the mapping of a YAML file; an empty file has no keys.

    Args:
        path: The file.
        texts: Keys at the top whose entries are taken as they are written: `[no, 010]` under
            such a key are two texts, and not `False` and 8.

    Raises:
        ConfigError: It cannot be read, is not YAML, holds a key twice, is too deep or too large,
            or does not hold a mapping.
    """
    text = _read_text(path)
    try:
        tree = _load(text, texts)
    except _Refused as error:
        raise ConfigError(f"{path}, line {error.line}: {error}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected keys and values, got a {type(tree).__name__}")
    return tree


def parse_yaml_value(text: str) -> Any:
    """Returns the value of a word or a short text.

    Raises:
        ConfigError: It is not YAML.

    Example:
        >>> parse_yaml_value("[1, 2.5, on]")
        [1, 2.5, True]
    """
    try:
        return _load(text, ())
    except _Refused as error:
        raise ConfigError(str(error)) from None


def _read_text(path: str | Path) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {unreadable_text(path, error)}") from error
    except ValueError as error:  # a NUL in the name
        raise ConfigError(f"{str(path)!r}: cannot be read: {error}") from error
    if len(content) > LARGEST_FILE:
        raise ConfigError(f"{path}: expected at most {LARGEST_FILE} bytes of YAML, got more")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: expected text in UTF-8, got other bytes") from None


def _load(text: str, texts: Sequence[str]) -> Any:
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _take_as_text(node, texts)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join((error.problem or "").split())
        if "another document" in problem:
            problem = "expected one document, got several"
        if len(problem) > 150:
            problem = f"{problem[:150]}..."
        line = 1 if mark is None else mark.line + 1
        raise _Refused(f"not YAML: {problem}; see configs/ for examples", line) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        wrong = f"a character that YAML does not allow, #x{_code(error.character):04x}"
        raise _Refused(f"not YAML: {wrong}", line) from None


def _code(character: object) -> int:
    return character if isinstance(character, int) else ord(str(character)[:1] or "?")


def _take_as_text(node: yaml.Node, keys: Sequence[str]) -> None:
    """Makes strings of the entries of some keys, in lists and nested mappings too."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if key.value not in keys:
            continue
        entries = [entry for _, entry in value.value] if isinstance(value, yaml.MappingNode) else []
        entries = value.value if isinstance(value, yaml.SequenceNode) else entries
        for entry in entries:
            if isinstance(entry, yaml.ScalarNode):
                entry.tag = _TEXT
