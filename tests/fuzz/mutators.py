"""Small changes of valid inputs: of bytes, lines, tokens, values of JSON, members of archives.

Every function takes a seeded `random.Random` and bytes, and returns bytes.
"""

import io
import json
import random
import re
import struct
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

from tests.track_files.mutations import REPLACEMENTS, TEXT_WORDS

Mutate = Callable[[random.Random, bytes], bytes]

_MARK = "@@here@@"
_NUMBERS = (
    *("0", "-0", "1", "-1", "2", "0.5", "1e-9", "127", "255", "65535", "65536", "2147483647"),
    *("2147483648", "-2147483648", "4294967296", "9223372036854775807", "9223372036854775808"),
    *("1e30", "1e308", "-1e308", "1e309", "1e-320", "nan", "-nan", "inf", "-inf", "NaN"),
    *("Infinity", "1" + "0" * 400, "0x1F", "1_000", "1.", ".5", "1e", "--1", "+1", "\uff13"),
)
_WORDS = (*_NUMBERS, *(word for word in TEXT_WORDS if len(word) < 1000), "x" * 3000)
_PIECES = (
    *("\x00", "\x1b[31m", "\u202e", "\ufeff", "\r", "\n", "\t", " ", ",", ":", "=", "[", "]"),
    *(
        "{",
        "}",
        "#",
        "'",
        '"',
        "\\",
        "%",
        "&",
        "*",
        "-",
        "|",
        "<",
        ">",
        "/",
        "@",
        "?",
        "ä",
        "\ud800",
    ),
)
_TOKEN = re.compile(r"[-+]?[0-9][0-9.eE+-]*|[A-Za-z_]+|[^\sA-Za-z0-9_]")
_NAMES = ("../x", "/x", "a\\b", "x" * 300, "config.json", "folder/", "\u202e", " ")
_VALUES = [text for text in REPLACEMENTS if len(text) < 10_000]


def mutate_bytes(rng: random.Random, data: bytes) -> bytes:
    """Flips bits, overwrites numbers, removes, repeats and moves pieces."""
    if not data:
        return rng.randbytes(rng.randint(0, 16))
    new = bytearray(data)
    place = rng.randrange(len(new))
    length = min(rng.choice((1, 2, 4, 8, 16, 64, 512)), len(new) - place)
    kind = rng.randrange(7)
    if kind == 0:
        for _ in range(rng.choice((1, 1, 2, 8))):
            new[rng.randrange(len(new))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        new[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    elif kind == 2:
        size = rng.choice((2, 4, 8))
        value = rng.choice((0, 1, -1, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**63, len(data)))
        new[place : place + size] = (value % 256**size).to_bytes(
            size, rng.choice(("little", "big"))
        )
    elif kind == 3:
        del new[place : place + length]
    elif kind == 4:
        new[place:place] = new[place : place + length]
    elif kind == 5:
        piece = new[place : place + length]
        target = rng.randrange(len(new))
        new[target : target + length] = piece
    else:
        del new[place:]
    return bytes(new)


def mutate_text(rng: random.Random, data: bytes) -> bytes:
    """Changes lines and tokens of a text; now and then its bytes."""
    kind = rng.randrange(10)
    if kind == 0 or not data:
        return mutate_bytes(rng, data)
    text = data.decode("utf-8", "surrogateescape")
    if kind <= 3:
        text = _with_other_lines(rng, text)
    elif kind == 4:
        place = rng.randrange(len(text) + 1)
        text = text[:place] + rng.choice(_PIECES) + text[place:]
    else:
        text = _with_other_token(rng, text)
    return text.encode("utf-8", "surrogatepass") if _has_pairs(text) else _encoded(text)


def _has_pairs(text: str) -> bool:
    return "\ud800" in text


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _with_other_lines(rng: random.Random, text: str) -> str:
    lines = text.split("\n")
    first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(5)
    if kind == 0:
        del lines[first]
    elif kind == 1:
        lines.insert(second, lines[first])
    elif kind == 2:
        lines[first], lines[second] = lines[second], lines[first]
    elif kind == 3:
        del lines[first + 1 :]
        lines[first] = lines[first][: rng.randint(0, len(lines[first]))]
    else:
        lines[first : first + 1] = lines[first : first + 1] * rng.choice((2, 3, 50))
    return "\n".join(lines)


def _with_other_token(rng: random.Random, text: str) -> str:
    tokens = list(_TOKEN.finditer(text))
    if not tokens:
        return text + rng.choice(_WORDS)
    token = rng.choice(tokens)
    old = token.group()
    kind = rng.randrange(8)
    if kind == 0:
        new = ""
    elif kind == 1:
        new = f"{old} {old}"
    elif kind == 2:
        new = rng.choice(tokens).group()
    elif kind <= 5 and old[-1].isdigit():
        new = _other_number(rng, old)
    else:
        new = rng.choice(_WORDS)
    return text[: token.start()] + new + text[token.end() :]


def _other_number(rng: random.Random, old: str) -> str:
    if rng.randrange(2):
        return rng.choice(_NUMBERS)
    try:
        value = int(old)
    except ValueError:
        return f"-{old}"
    return str(rng.choice((value + 1, value - 1, -value, 2 * value, 10 * value, value // 2)))


def mutate_json(rng: random.Random, data: bytes) -> bytes:
    """Replaces, removes, repeats or moves a value of a JSON document; now and then its text."""
    if rng.randrange(5):
        try:  # arrays may be nested deeper than `json.dumps` or `_places` goes
            return _with_other_value(rng, json.loads(data)).encode("utf-8", "surrogatepass")
        except (ValueError, RecursionError):
            return mutate_text(rng, data)
    return mutate_text(rng, data)


def mutate_json_lines(rng: random.Random, data: bytes) -> bytes:
    """Changes a value of one line of JSON Lines, or lines as a whole."""
    lines = data.split(b"\n")
    if rng.randrange(4):
        number = rng.randrange(len(lines))
        lines[number] = mutate_json(rng, lines[number])
        return b"\n".join(lines)
    return mutate_text(rng, data)


def _with_other_value(rng: random.Random, document: Any) -> str:
    places = list(_places(document, []))
    if not places:
        return rng.choice(_VALUES)
    holder, key = rng.choice(places)
    other, other_key = rng.choice(places)
    kind = rng.randrange(6)
    replacement: str | None = None
    if kind == 0:
        del holder[key]
    elif kind == 1:
        holder[key] = json.loads(json.dumps(other[other_key]))
    elif kind == 2 and isinstance(holder, list):
        holder.insert(key, json.loads(json.dumps(holder[key])))
    elif kind == 3 and isinstance(holder, dict):
        names = list(holder)
        holder[rng.choice(names)] = holder.pop(key)
    elif kind == 4 and isinstance(holder[key], int | float):
        replacement, holder[key] = _other_number(rng, str(holder[key])), _MARK
    else:
        replacement, holder[key] = rng.choice(_VALUES), _MARK
    text = json.dumps(document)
    return text if replacement is None else text.replace(f'"{_MARK}"', replacement)


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    items = list(value.items()) if isinstance(value, dict) else []
    items = list(enumerate(value)) if isinstance(value, list) else items
    for key, inner in items:
        found.append((value, key))
        _places(inner, found)
    return found


def mutate_zip(rng: random.Random, data: bytes) -> bytes:
    """Changes the content, the name or the number of an archive's members, or its bytes."""
    if not rng.randrange(3):
        return mutate_bytes(rng, data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(name, archive.read(name)) for name in archive.namelist()]
    except Exception:  # damaged by an earlier change
        return mutate_bytes(rng, data)
    if not members:
        return mutate_bytes(rng, data)
    number = rng.randrange(len(members))
    name, content = members[number]
    kind = rng.randrange(8)
    if kind == 0:
        del members[number]
    elif kind == 1:
        members.append((name, content))
    elif kind == 2:
        members[number] = (rng.choice(_NAMES), content)
    else:
        change = mutate_json if name.endswith(".json") else mutate_bytes
        members[number] = (name, change(rng, content))
    start = data[: max(data.find(b"PK\x03\x04"), 0)]
    try:
        return _zipped(rng, start, members)
    except struct.error:  # a time or a name that the format has no room for
        return mutate_bytes(rng, data)


def _zipped(rng: random.Random, start: bytes, members: list[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO(start)
    stream.seek(0, io.SEEK_END)
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "a", method) as archive:
        warnings.simplefilter("ignore")  # of a name that occurs twice
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()
