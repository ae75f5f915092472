"""What a recording has of each frame besides its tracks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """One frame of a recording, besides its tracks.

    Attributes:
        index: Number of the frame in its source, from 0.
        time_s: Presentation time in seconds; `None` if it is missing.
        wall_time: Of live sources: Unix time of capture, or `None`.
        age_s: Of live sources: seconds from capture to result, or `None`.
        dropped: Of live sources: frames lost so far.
        is_coasted: Whether the detector did not run in this frame.
    """

    index: int
    time_s: float | None
    wall_time: float | None
    age_s: float | None
    dropped: int
    is_coasted: bool
