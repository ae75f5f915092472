"""The result of one check."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Self

from tracker.util.text import one_line

_LONGEST = 600


class Status(Enum):
    """How a check ended."""

    OK = "ok"
    """It works."""
    WARNING = "warning"
    """Something does not work that `tracker run` can do without."""
    FAILURE = "failure"
    """Something does not work that `tracker run` needs."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Texts become one printable line each; the user's home folder in them becomes `~`, as results are
    pasted into bug reports.

    Attributes:
        name: What was checked.
        status: How it ended.
        detail: What was found.
        mend: What to do, one sentence; empty where the status is `OK`.
        milliseconds: Time of one inference, of networks; else `None`.
    """

    name: str
    status: Status
    detail: str
    mend: str = ""
    milliseconds: float | None = None

    def __post_init__(self) -> None:
        assert bool(self.mend) == (self.status is not Status.OK), self
        for field in ("detail", "mend"):
            object.__setattr__(self, field, _shown(getattr(self, field)))

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Returns the result that `to_json` wrote."""
        return cls(**{**record, "status": Status(record["status"])})

    def to_json(self) -> dict[str, Any]:
        """Returns the result as plain JSON types."""
        return {
            "name": self.name,
            "status": self.status.value,
            "detail": self.detail,
            "mend": self.mend,
            "milliseconds": self.milliseconds,
        }


def ok(name: str, detail: str) -> Check:
    """Returns a check that found nothing to mend."""
    return Check(name, Status.OK, detail)


def warning(name: str, detail: str, mend: str) -> Check:
    """Returns a check that found a defect which `tracker run` can do without."""
    return Check(name, Status.WARNING, detail, mend)


def failure(name: str, detail: str, mend: str) -> Check:
    """Returns a check that found a defect of something that `tracker run` needs."""
    return Check(name, Status.FAILURE, detail, mend)


def _shown(text: str) -> str:
    try:
        home = str(Path.home())
    except RuntimeError:  # a user without a home folder
        home = "/"
    if len(home) > 1:
        text = text.replace(home, "~")
    text = one_line(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
