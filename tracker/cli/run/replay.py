"""Options that do not go together with replayed detections."""

from collections.abc import Mapping

from tracker.errors import ConfigError


def check_replay(path: str, options: Mapping[str, object]) -> None:
    """Checks that no option of a detector is given with `--detections`.

    Args:
        path: The detections.
        options: Value by option; `None` where it is not given.

    Raises:
        ConfigError: One is.
    """
    for option, value in options.items():
        if value is not None:
            raise ConfigError(
                f"{option} {value} and --detections {path}: detections are replayed as they are, "
                "nothing is detected; leave one out (--set tracking.birth_score=0.5 asks for a "
                "score before a track starts)"
            )
