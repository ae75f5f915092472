"""Valid text with one value replaced at a time, for readers that must never break."""

import copy
import json
from collections.abc import Iterator
from typing import Any

_MARK = "@@here@@"

DEEP = "[" * 100_000
REPLACEMENTS = (
    *("null", "true", "false", "0", "-1", "0.5", "1e308", "-1e308", "1e-320", "1e999", "-1e999"),
    *("NaN", "2147483647", "2147483648", "9223372036854775808", "1" + "0" * 400, "1" + "0" * 5000),
    *('""', '"3"', '"\\ud800"', '"a\\u0000\\n\\u001b[31m"', f'"{"x" * 20_000}"'),
    *("[]", "{}", "[null]", '{"a":[{}]}', "[" * 300 + "]" * 300, DEEP, DEEP + "]" * 100_000, ""),
)
"""What stands in place of a value, as text: some of it is no JSON, or none that Python takes."""

TEXT_WORDS = (
    *("", "null", "nan", "inf", "-1", "0", "0.5", "1e308", "1e999", "2147483647", "2147483648"),
    *(
        "9223372036854775808",
        "1" + "0" * 400,
        "x",
        '"1"',
        "1_0",
        "0x10",
        "\uff11",
        "\x00",
        "\x1b[31m",
    ),
    *("x" * 20_000, "1;2", "1.0", "1e0", " 1 ", "\ufeff1", "-0", "1e-320", "--1"),
)


def one_value_replaced(record: Any) -> Iterator[str]:
    """Yields the record's JSON text with each value, at any depth, replaced or left out."""
    for path in list(_paths(record)):
        for text in REPLACEMENTS:
            yield json.dumps(_replaced(record, path, _MARK)).replace(f'"{_MARK}"', text)
        if path:
            yield json.dumps(_without(record, path))
            key = path[-1]
            if isinstance(key, str):  # the same key twice
                text = json.dumps(_replaced(record, path, _MARK))
                yield text.replace(f'"{_MARK}"', f'1, "{key}": null')


def one_word_replaced(rows: list[str], separator: str) -> Iterator[str]:
    """Yields the rows as text with each word replaced or left out."""
    for n, row in enumerate(rows):
        words = row.split(separator)
        for place in range(len(words)):
            for word in (*TEXT_WORDS, None):
                new = [*words[:place], *([] if word is None else [word]), *words[place + 1 :]]
                yield "\n".join([*rows[:n], separator.join(new), *rows[n + 1 :]])


def whole_files(content: bytes) -> Iterator[bytes]:
    """Yields what can happen to a file as a whole."""
    lines = content.splitlines()
    yield b""
    yield b"\n \n"
    yield b"\xef\xbb\xbf" + content
    yield content.replace(b"\n", b"\r\n")
    yield content.replace(b"\n", b"\n\n  \n")
    yield content + b"\n\n"
    yield content + b"\x00" * 512
    yield b"\x00" * 512 + content
    yield content + b"\xff\xfe"
    yield content.decode().encode("utf-16")
    yield content[: len(content) // 2]
    yield content + content
    for n in range(len(lines)):
        yield b"\n".join([*lines[:n], lines[n], *lines[n:]])
        yield b"\n".join(lines[:n] + lines[n + 1 :])
        yield b"\n".join([*lines[:n], lines[n][: len(lines[n]) // 2], *lines[n + 1 :]])
    yield b"\n".join(reversed(lines))
    yield DEEP.encode()
    yield b'{"a":' * 100_000
    yield b'{"kind":' + DEEP.encode()


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else []
    items = enumerate(value) if isinstance(value, list) else items
    for key, inner in items:
        yield from _paths(inner, (*path, key))


def _replaced(record: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    new = copy.deepcopy(record)
    place = new
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return new


def _without(record: Any, path: tuple[Any, ...]) -> Any:
    new = copy.deepcopy(record)
    place = new
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return new
