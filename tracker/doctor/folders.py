"""Checks whether files can be written."""

import shutil
import tempfile
from pathlib import Path

from tracker.doctor.check import Check, ok, warning
from tracker.errors import ConfigError
from tracker.inference.cache import default_cache_dir

_LITTLE_BYTES = 10**9
_GIGABYTE = 1e9


def folder_checks() -> list[Check]:
    """Returns whether the current folder and the cache can be written."""
    current = "Name output files in another folder, or change the rights of this one."
    checks = [folder_check("current folder", Path(), current)]
    try:
        cache = default_cache_dir()
    except ConfigError as error:
        return [*checks, warning("cache", str(error), "Set HOME to a folder that exists.")]
    mend = (
        "Name a folder with --set detector.network.cache_dir=DIR; without one, exported networks "
        "are made anew in each run."
    )
    return [*checks, folder_check("cache", cache, mend)]


def folder_check(name: str, folder: Path, mend: str, *, little: int = _LITTLE_BYTES) -> Check:
    """Returns whether a file can be written in a folder; nothing is left behind.

    Args:
        name: Name of the check.
        folder: The folder; if it does not exist, the nearest one above it is checked.
        mend: What to do if nothing can be written.
        little: Free bytes below which there is a warning.
    """
    try:
        folder = folder.resolve(strict=False)
        place = next(one for one in (folder, *folder.parents) if one.exists())
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(4096))
        free = shutil.disk_usage(place).free
    except OSError as error:
        return warning(name, f"{folder} cannot be written: {error.strerror or error}", mend)
    detail = f"{folder} can be written, {free / _GIGABYTE:.1f} GB free"
    if free < little:
        return warning(name, detail, "Delete files, or name output files on another disk.")
    return ok(name, detail)
