"""How a video is decoded: which of its streams, and whether it is deinterlaced."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from tracker.errors import ConfigError


class Deinterlace(StrEnum):
    """Which frames are deinterlaced."""

    AUTO = "auto"
    """Those that the video flags as interlaced."""
    OFF = "off"
    """None: frames stay as they are stored."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        # YAML 1.1 reads a bare `off` as false.
        return cls("off") if value is False else None


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the frames of a video are decoded.

    Attributes:
        video_stream: Number of the video stream among those of the source, from 0, as in FFmpeg's
            `v:N`; `None` chooses, see `tracker.sources.files.stream_choice`.
        deinterlace: Which frames are deinterlaced.

    Raises:
        ConfigError: The number is negative.
    """

    video_stream: int | None = None
    deinterlace: Deinterlace = Deinterlace.AUTO

    def __post_init__(self) -> None:
        if self.video_stream is not None and self.video_stream < 0:
            raise ConfigError(
                f"source.video_stream: expected a number from 0, got {self.video_stream}"
            )
