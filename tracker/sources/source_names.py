"""Names of sources for files and pages: distinct, short, and without secrets."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from tracker.sources.source_kind import PIPE
from tracker.util.address import STARS, scheme_of, shown_address


def source_names(sources: Sequence[str]) -> list[str]:
    """Returns a distinct name for each source, usable in file names.

    Example:
        >>> source_names(["0", "clips/in.mp4", "other/in.mp4", "rtsp://user:secret@door/main"])
        ['camera-0', 'in', 'in-2', 'door-main']
    """
    names: list[str] = []
    for source in sources:
        stem = source_name(source)
        name, number = stem, 1
        # Some file systems ignore case.
        while name.casefold() in {other.casefold() for other in names}:
            number += 1
            name = f"{stem}-{number}"
        names.append(name)
    return names


def source_name(source: str) -> str:
    """Returns the name of one source, without credentials."""
    if source.isdigit():
        return f"camera-{source}"
    if source == PIPE:
        return "stdin"
    if scheme_of(source) is not None:
        return _file_name_of(_host_and_path(source)) or "stream"
    path = Path(source)
    name = path.stem if path.suffix and not os.path.isdir(source) else path.absolute().name
    if name == "img1":  # a MOT sequence is named after its folder
        name = path.absolute().parent.name
    return _file_name_of(name) or "source"


def _host_and_path(address: str) -> str:
    rest = shown_address(address).split("://", 1)[-1]
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, _, path = rest.partition("/")
    parts = [host.rpartition("@")[2], *path.split("/")]
    names = [part.replace(STARS, "").rstrip("=") for part in parts]
    return "-".join(name for name in names if name)


def _file_name_of(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip(".")
