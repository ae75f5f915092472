"""Values of the environment in addresses of sources: `rtsp://${CAM_USER}:${CAM_PASSWORD}@door/`.

The program reads them itself, so that neither its command line, which every user of a machine can
list, nor the history of a shell holds them. What is shown, logged and recorded is the address as it
was typed, masked by `util/address.py`.
"""

import os
import re
from collections.abc import Mapping
from urllib.parse import quote

from tracker.errors import ConfigError
from tracker.util.address import scheme_of, shown_address, split_user

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def with_environment(address: str, environment: Mapping[str, str] | None = None) -> str:
    """Returns an address with each `${NAME}` replaced by the value that the environment has.

    In user and password a value is percent-encoded, so that it may hold any character; elsewhere it
    stands as it is. Any other `$` is kept, and a text that is no address is returned unchanged.

    Args:
        address: The address as the user typed it.
        environment: Variables and their values; `None` for those of this process.

    Raises:
        ConfigError: A variable is not set, or the password contains a character that ends a host
        name.

    Example:
        >>> with_environment("rtsp://${U}:${P}@door/$1", {"U": "me", "P": "a@b/c"})
        'rtsp://me:a%40b%2Fc@door/$1'
    """
    scheme = scheme_of(address)
    if scheme is None:
        return address
    known = os.environ if environment is None else environment

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in known:
            raise ConfigError(
                f"{shown_address(address)}: the environment has no variable {name}, which the "
                f"address names; set it first: export {name}=..."
            )
        return known[name]

    def encoded(match: re.Match[str]) -> str:
        return quote(os.fsencode(value(match)), safe="")

    beginning = address[: len(scheme) + len("://")]
    user, place = split_user(address[len(beginning) :])
    if re.match(r"[^@]*[/?#]", user or ""):
        raise ConfigError(
            f"{shown_address(address)}: user and password cannot hold / ? or # as they are; write "
            "them as %2F, %3F and %23, or as ${USER}:${PASSWORD} of the environment"
        )
    place = _VARIABLE.sub(value, place)
    return beginning + (f"{_VARIABLE.sub(encoded, user)}@" if user is not None else "") + place
