"""Addresses of streams without what is secret in them, for messages, logs and records.

Comes in: an address as the user typed it. Goes out: the same without user, password and tokens.
"""

import re
from urllib.parse import unquote

STARS = "***"
"""What stands where something secret was."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
# Parts of names, since vendors differ: password, passphrase, loginpas, pwd, psw, access_token,
# apikey, authorization, X-Amz-Signature, X-Amz-Credential, session, username, hdnts, ...~hmac.
_SECRET = re.compile(
    r"(?:(?:pas|pw|psw|token|key|auth|secret|sig|cred|jwt|sess|user|usr|login|hdn|hmac|md5|ticket)"
    r"[^=]*|^[pu])=",
    re.IGNORECASE,
)


def scheme_of(text: str) -> str | None:
    """Returns the scheme of a URL in lower case, or `None` for what is no URL.

    Example:
        >>> scheme_of("RTSP://camera/stream"), scheme_of("in.mp4")
        ('rtsp', None)
    """
    match = _SCHEME.match(text)
    return None if match is None else match.group()[: -len("://")].lower()


def shown_address(text: str) -> str:
    """Returns an address without credentials; a text that is no URL comes back as it is.

    User and password before the host go, and so do values whose names tell that they are secret,
    in the query and (as some cameras want it) in the path.

    Args:
        text: The source as the user typed it.

    Example:
        >>> shown_address("rtsp://admin:s3cret@camera:554/live?token=abc&channel=1")
        'rtsp://***@camera:554/live?token=***&channel=1'
    """
    match = _SCHEME.match(text)
    if match is None:
        return text
    scheme, rest = match.group(), text[match.end() :]
    user, host = _split_user(rest)
    address, mark, after = re.match(r"([^?#]*)([?#]?)(.*)", host, re.DOTALL).groups()  # type: ignore[union-attr]
    path = "/".join(map(_starred, address.split("/")))
    query = "".join(map(_starred, re.split(r"([&;#])", after)))
    return scheme + user + path + mark + query


def _split_user(rest: str) -> tuple[str, str]:
    """Returns what to show in place of user and password, and what follows them."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # A password that should have been percent-encoded may hold any of "@/?#": where the place of
    # the host does not look like one, everything up to the last "@" counts as secret.
    is_host = re.fullmatch(r"[^@:]*(?::[0-9]*)?|\[[^\]@]*\](?::[0-9]*)?", authority)
    # HOST:PORT, or a user with a password that begins with digits: "admin:12/34@host".
    may_be_user = re.fullmatch(r"[^@:]*:[0-9]+", authority) and re.match(
        r"[/?#][^@=]+@", rest[len(authority) :]
    )
    if "@" not in rest or (is_host and not may_be_user):
        return "", rest
    before_query = rest.split("?", 1)[0]
    if "@" in before_query:
        user, host = before_query.rsplit("@", 1)
        host += rest[len(before_query) :]
    else:
        user, host = rest.rsplit("@", 1)
    return (f"{STARS}@" if user else "@"), host  # udp://@239.0.0.1:5000 is a group, not a user


def _starred(part: str) -> str:
    """Returns `name=value` with the value starred if the name tells that it is secret."""
    match = _SECRET.search(part)
    if match is not None:
        return part[: match.end()] + STARS
    name, mark, _ = part.partition("=")
    return f"{name}={STARS}" if mark and _SECRET.search(unquote(name) + "=") else part
