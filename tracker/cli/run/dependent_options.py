"""Options that do nothing without another one, or without a source of some kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tracker.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Need:
    """What options apply to.

    Attributes:
        options: Their parameters in the commands.
        expected: What they apply to.
        mend: What to do where it is missing.
    """

    options: tuple[str, ...]
    expected: str
    mend: str


VIDEO = Need(
    ("video_scale", "video_encoder"),
    "a video to apply to",
    "add --video out.mp4 or --save-dir FOLDER",
)
DRAWN = Need(
    ("labels", "color_by", "boxes", "line_scale", "font_scale", "trail"),
    "a video or a window to draw into",
    "add --video out.mp4, --save-dir FOLDER or --show",
)
CROPS = Need(("crops_per_track",), "images of each track", "add --crops FOLDER")
CLIPS = Need(("clip_margin",), "clips of each track", "add --clips FOLDER")
LIVE = Need(
    ("reconnect",), "a camera or a stream", "leave it out: what is recorded is never reconnected"
)


def check_dependent_options(given: Mapping[str, Any], is_there: Mapping[Need, object]) -> None:
    """Checks that each option that is given has something to apply to.

    Args:
        given: Value by parameter; `None` where the option is not given.
        is_there: Whether there is what the options of a need apply to.

    Raises:
        ConfigError: An option is given, and there is not.

    Example:
        >>> check_dependent_options({"trail": None, "boxes": "full"}, {DRAWN: "out.mp4"})
        >>> check_dependent_options({"clip_margin": 2.0}, {CLIPS: None})
        Traceback (most recent call last):
        tracker.errors.ConfigError: --clip-margin 2.0: expected clips of each track, got none; add \
--clips FOLDER
    """
    for need, there in is_there.items():
        for name in need.options:
            value = given.get(name)
            if value is not None and not there:
                option = f"--{name.replace('_', '-')}"
                raise ConfigError(
                    f"{option} {value}: expected {need.expected}, got none; {need.mend}"
                )
