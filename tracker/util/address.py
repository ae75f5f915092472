"""Addresses with their secrets masked, for messages, logs, records and file names.

User and password, every value of the query whatever its name, the fragment, and parts of the path
that contain a value or resemble a key are replaced by stars.
"""

import re
from collections.abc import Iterable
from pathlib import PurePath
from urllib.parse import quote, urlsplit, urlunsplit

STARS = "***"
"""Replacement of a secret."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
# A name and port; ${NAME} is a value of the environment (see sources/address.py).
_HOST = re.compile(r"(?:[^@:%\s\\]|\$\{\w*\})*(?::(?:[0-9]|\$\{\w*\})*)?|\[[^\]@]*\](?::[0-9]*)?")
# "a=b" with "=" percent-encoded any number of times.
_EQUALS = re.compile(r"=|%(?:25)*3d", re.IGNORECASE)
# Long runs of letters and digits mixed, and UUIDs: keys of streams, tokens of cloud cameras.
_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{16,}"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    re.IGNORECASE,
)
_SENT = "!#$%&'()*+,/:;=?@[]~"
"""What need not be encoded, for it has a meaning or is encoded."""
_PLACEHOLDER = re.compile(r"\$\{\w*\}")
# Misspelt addresses: one slash, backslashes, no slash, something before the scheme. The length is
# limited because the search for a longer one would take quadratic time.
_SLIPPED = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,30}:[/\\]+|(?:https?|rtmps?|rtsps?|rtp|srt|tcp|udp)(?::|//))",
    re.IGNORECASE,
)
# The scheme is missing: USER:PASSWORD@HOST.
_BARE = re.compile(r"[^/\\\s][^/\\\s:]*:.*@", re.DOTALL)


def scheme_of(text: str) -> str | None:
    """Returns the scheme of a URL in lower case, or `None` where it is not a URL.

    Example:
        >>> scheme_of("RTSP://camera/stream"), scheme_of("in.mp4")
        ('rtsp', None)
    """
    match = _SCHEME.match(text)
    return None if match is None else match.group()[: -len("://")].lower()


def shown_address(text: str) -> str:
    """Returns an address without its secrets; a text that is not a URL is returned unchanged.

    Args:
        text: The address as the user typed it. `${NAME}` outside of the masked parts stays.

    Example:
        >>> shown_address("rtsp://admin:s3cret@camera:554/live?token=abc&channel=1")
        'rtsp://***@camera:554/live?token=***&channel=***'
    """
    match = _SCHEME.match(text)
    if match is None:
        return text
    scheme, rest = match.group(), text[match.end() :]
    user, place = split_user(rest)
    if user is None and not _HOST.fullmatch(re.split(r"[/?#]", place, maxsplit=1)[0]):
        place = re.sub(r"^[^/?#]*", STARS, place)  # "rtsp://me:secret", its host forgotten
    shown_user = "" if user is None else f"{STARS}@" if user else "@"
    before_fragment, hash_mark, fragment = place.partition("#")
    path, mark, query = before_fragment.partition("?")
    # In RTMP, everything after the name of the application is the stream key.
    is_keyed = scheme.lower().startswith("rtmp")
    return (
        f"{scheme}{shown_user}{_masked_path(path, is_keyed=is_keyed)}{mark}{_masked_query(query)}"
        f"{hash_mark}{STARS if fragment else ''}"
    )


def shown_source(text: str) -> str:
    """Returns the name of a missing source, without possible secrets of an address.

    Also for a misspelt address: one slash, a space before it, no scheme.

    Example:
        >>> shown_source("rtsp:/me:secret@door/main"), shown_source("me:secret@door/main")
        ('rtsp:/***@door/main', '***@door/main')
    """
    match = _SLIPPED.search(text)
    if match is None:
        bare = _BARE.match(text)
        return text if bare is None else f"{STARS}@{text[bare.end() :]}"
    rest = text[match.end() :].lstrip("/\\")
    beginning = f"{match.group().partition(':')[0].rstrip('/')}://"
    shown = shown_address(beginning + rest).removeprefix(beginning)
    return text[: len(text) - len(rest)] + shown


def ascii_address(address: str) -> str:
    """Returns an address as it is sent: its host by IDNA, all else percent-encoded, without a user.

    Args:
        address: A URL.

    Raises:
        ValueError: It is none, or no host can have this name.

    Example:
        >>> ascii_address("http://me:secret@łódź.test:81/ä b?q=%C3%A4")
        'http://xn--d-uga0v4h.test:81/%C3%A4%20b?q=%C3%A4'
    """
    parts = urlsplit(address)
    place = parts.netloc.rpartition("@")[2]
    if not place.isascii():
        host, colon, port = place.partition(":")
        place = f"{host.encode('idna').decode('ascii')}{colon}{port}"
    path, query = (quote(text, safe=_SENT) for text in (parts.path, parts.query))
    return urlunsplit((parts.scheme, place, path, query, ""))


def is_slipped(text: str) -> bool:
    """Returns whether a text is a misspelt address: a wrong scheme, or none.

    Example:
        >>> is_slipped("rtsp:/door/main"), is_slipped("me:secret@door"), is_slipped("in.mp4")
        (True, True, False)
    """
    if scheme_of(text) is not None:
        return False
    return bool(_SLIPPED.match(text.lstrip(" \t\n'\"")) or _BARE.match(text))


def mask_words(text: str, words: Iterable[str]) -> str:
    """Returns a message with each address among the words of a command line masked.

    Args:
        text: The message, which may quote some of the words.
        words: The words; the parts of `--name=value` and `key=value` are checked as well.
    """
    for word in words:
        value = word.partition("=")[2] if word.startswith("--") else word
        path = PurePath(value)  # It has single slashes, as messages about files quote it.
        for part in (word, value, str(path), str(path.parent), word.rpartition("=")[0]):
            if _SLIPPED.search(part):
                text = text.replace(part, shown_source(part))
    return text


def split_user(rest: str) -> tuple[str | None, str]:
    """Returns user and password, and what follows them.

    Args:
        rest: The text after `SCHEME://`.

    Returns:
        The text before the `@`, `None` where there is none, and the text after it.
    """
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # A password that should have been percent-encoded may hold any of "@/?#": where the place of
    # the host does not look like one, everything up to the last "@" counts as secret.
    is_host = authority and _HOST.fullmatch(authority)
    # HOST:PORT, or a user with a password that begins with digits: "admin:12/34@host".
    may_be_user = re.fullmatch(r"[^@:]*:[0-9]+", authority) and re.match(
        r"[/?#][^@=]+@", rest[len(authority) :]
    )
    if "@" not in rest or (is_host and not may_be_user):
        return None, rest
    before_query = rest.split("?", 1)[0]
    if "@" not in before_query:
        user, place = rest.rsplit("@", 1)
        return user, place
    user, place = before_query.rsplit("@", 1)
    # udp://@239.0.0.1:5000 is a group, not a user: the text before the "@" is empty.
    return user, place + rest[len(before_query) :]


def _masked_path(path: str, *, is_keyed: bool) -> str:
    host, *parts = path.split("/")
    shown = [_masked_part(part) for part in parts]
    if is_keyed:
        shown[1:] = [
            STARS if part and not _PLACEHOLDER.fullmatch(part) else part for part in shown[1:]
        ]
    return "/".join([host, *shown])


def _masked_part(part: str) -> str:
    match = _EQUALS.search(part)
    if match is not None:
        part = part[: match.end()] + STARS
    return _KEY.sub(STARS, part)


def _masked_query(query: str) -> str:
    return "".join(
        part if part in {"", "&", ";"} else _masked_pair(part)
        for part in re.split(r"([&;])", query)
    )


def _masked_pair(part: str) -> str:
    """Returns `name=***`; three stars where there is no name, or where it may be the value."""
    match = _EQUALS.search(part)
    if match is None or not part[match.end() :].strip("="):
        return STARS
    return _KEY.sub(STARS, part[: match.end()]) + STARS
