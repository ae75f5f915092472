"""Libraries that only one feature needs: imported on use, with a message on how to install them."""

from importlib import import_module
from typing import Any

from tracker.errors import DependencyError


def optional_library(name: str, *, purpose: str, extra: str | None = None) -> Any:
    """Returns a library, imported.

    Args:
        name: Name of the module, and of the package unless there is an extra.
        purpose: What needs it, in the plural: the message begins with it.
        extra: The extra of this package that installs it, or `None`.

    Raises:
        DependencyError: It is not installed.
    """
    package = name.split(".", maxsplit=1)[0]
    install = package if extra is None else f"'tracker-pipeline[{extra}]'"
    try:
        return import_module(name)
    except ImportError as error:
        raise DependencyError(
            f"{purpose} need the package {package}: {error}; pip install {install}"
        ) from error
