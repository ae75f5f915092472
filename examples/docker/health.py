"""Health of a container: exit code 0 if its command works, 1 if not.

`tracker serve` is asked at /api/health, with its token; any other command is healthy while it runs.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

_FIRST_PROCESS = Path("/proc/1/cmdline")


def value_of(option: str, words: Sequence[str]) -> str | None:
    """Returns the value of an option on a command line; `None` without it.

    Example:
        >>> value_of("--port", ["serve", "0", "--port=9000"])
        '9000'
    """
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == option:
            return following
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
    return None


def health_request(words: Sequence[str], environment: Mapping[str, str]) -> Request:
    """Returns the request to the server that a command line started.

    Args:
        words: The command line.
        environment: Environment variables of the container.
    """
    request = Request(f"http://127.0.0.1:{value_of('--port', words) or 8000}/api/health")
    file = value_of("--token-file", words)
    token = Path(file).read_text(encoding="utf-8") if file else environment.get("TRACKER_TOKEN", "")
    if token.strip():
        request.add_header("Authorization", f"Bearer {token.strip()}")
    return request


def main(command_file: Path = _FIRST_PROCESS, environment: Mapping[str, str] = os.environ) -> int:
    """Returns the exit code.

    Args:
        command_file: Words of the container's command, each ended by a zero byte.
        environment: Environment variables of the container.
    """
    words = command_file.read_bytes().decode(errors="replace").split("\0")
    if "serve" not in words:
        return 0
    try:
        opener = build_opener(ProxyHandler({}))  # This address is never behind a proxy.
        with opener.open(health_request(words, environment), timeout=5) as answer:
            return int(answer.status != 200)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
