"""Settings of the server, as `tracker serve` has them."""

import ipaddress
from dataclasses import dataclass

from tracker.errors import ConfigError

SHORTEST_TOKEN = 16
"""Characters of a token: fewer can be guessed over a network."""


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Settings of the server.

    Attributes:
        host: Address to listen at; another one than the loopback needs a token.
        port: Port; 0 for any free one.
        token: What clients have to present; `None` for no token.
        allowed_hosts: More names under which the server is reached, as behind a proxy.
        zones: Path of the zones of the sources, with `{name}` or without; `None` for
            `NAME.zones.yaml` in the current folder.
        paced: Whether files play at their own rate, instead of as fast as possible.
        jpeg_quality: Quality of images, 1 to 100.
        image_side: Long side in pixels to which images are reduced.
        uploads: Folder of uploads; `None` for a temporary one.
        upload_limit: Most bytes of an upload; 0 refuses uploads.
        keep_s: Seconds that uploads are kept.

    Raises:
        ConfigError: A value is out of range, or the token is missing or too short.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    zones: str | None = None
    paced: bool = True
    jpeg_quality: int = 80
    image_side: int = 1280
    uploads: str | None = None
    upload_limit: int = 2_000_000_000
    keep_s: float = 24 * 3600.0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"--port {self.port}: expected 0 to 65535")
        if not 1 <= self.jpeg_quality <= 100:
            raise ConfigError(f"--jpeg-quality {self.jpeg_quality}: expected 1 to 100")
        if self.token is None and not is_loopback(self.host):
            raise ConfigError(
                f"--host {self.host}: other computers can reach this address, so a token is "
                "needed: set TRACKER_TOKEN, or name a file with --token-file"
            )
        if self.token is not None and len(self.token) < SHORTEST_TOKEN:
            raise ConfigError(
                f"token: expected at least {SHORTEST_TOKEN} characters, got {len(self.token)}; "
                "python3 -c 'import secrets; print(secrets.token_urlsafe())' makes one"
            )


def is_loopback(host: str) -> bool:
    """Returns whether only this computer can reach an address.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    if host == "localhost":
        return True
    address = ip_address(host)
    return address is not None and address.is_loopback


def ip_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Returns the address that a text is, with or without brackets; `None` for a name."""
    try:
        return ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
