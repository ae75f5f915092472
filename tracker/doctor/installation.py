"""Checks of Python, and of the versions of this package and of the packages that it needs."""

import platform
import sys
from collections.abc import Callable, Sequence
from importlib import metadata

from tracker.doctor.check import Check, failure, ok, warning
from tracker.util.machine import cpu_model
from tracker.version import __version__

DISTRIBUTION = "tracker-pipeline"
"""Name of this package in package indexes."""

_OLDEST = (3, 11)
_NEEDED = {
    *("ai-edge-litert", "av", "numpy", "opencv-python", "platformdirs", "pydantic", "pyyaml"),
    *("rich", "scipy", "typer"),
}
"""Packages that `tracker run` needs with the networks of this package."""

_SAME = {
    "opencv-python": (
        *("opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
    ),
    "tensorflow": ("tensorflow-cpu",),
}
"""Packages that hold the same module under another name."""


def python_checks() -> list[Check]:
    """Returns whether this Python is new enough."""
    return [python_check(sys.version_info[:3])]


def python_check(version: tuple[int, int, int]) -> Check:
    """Returns whether a version of Python is new enough.

    Args:
        version: Its three numbers.
    """
    shown = ".".join(map(str, version))
    if version < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        return failure("Python", f"{shown}, expected {oldest} or newer", "Install a newer Python.")
    machine = f"{platform.system()} {platform.machine()}, {cpu_model()}"
    return ok("Python", f"{shown}, {machine}")


def package_checks() -> list[Check]:
    """Returns whether the packages that this one needs are there in suitable versions."""
    try:
        requirements = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        mend = "Install it: pip install . in a clone of the repository."
        return [warning("packages", f"tracker {__version__} is not installed as a package", mend)]
    return [package_check(requirements, installed_version)]


def package_check(requirements: Sequence[str], find: Callable[[str], str | None]) -> Check:
    """Returns whether required packages are there in suitable versions.

    Args:
        requirements: As in `pyproject.toml`; those of extras are left out.
        find: Returns the version of a package; `None` where it is not installed.
    """
    from packaging.requirements import Requirement

    found, wrong, names = [], [], []
    for text in requirements:
        required = Requirement(text)
        if required.marker is not None and not required.marker.evaluate({"extra": ""}):
            continue
        version = next(
            filter(None, map(find, (required.name, *_SAME.get(required.name, ())))), None
        )
        if version is None or not required.specifier.contains(version, prereleases=True):
            wrong.append(f"{required.name}{required.specifier} (found {version or 'none'})")
            names.append(required)
        else:
            found.append(f"{required.name} {version}")
    if not wrong:
        return ok("packages", f"tracker {__version__}; {', '.join(found)}")
    quoted = " ".join(f"'{one.name}{one.specifier}'" for one in names)
    result = failure if any(one.name in _NEEDED for one in names) else warning
    return result("packages", f"expected {', '.join(wrong)}", f"pip install {quoted}")


def installed_version(name: str) -> str | None:
    """Returns the version of an installed package, or `None`."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
