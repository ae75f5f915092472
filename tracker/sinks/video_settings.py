"""Settings of written videos."""

from dataclasses import dataclass
from enum import StrEnum

from tracker.errors import ConfigError, nearest
from tracker.util.check_types import check_finite, check_types

EARLIER = ".earlier"
"""Suffix of the name of the file of an earlier run, until its frames have been copied."""

AUTO_PRESET = "auto"
PRESETS = (
    *(AUTO_PRESET, "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"),
    *("slower", "veryslow"),
)
"""Presets of x264, and `auto`: by the size of the frames."""

SMALLEST_SCALE = 0.05
"""Of a frame of 1280x720 it leaves 64x36 pixels; with less nothing can be recognised."""


class VideoEncoder(StrEnum):
    """What encodes videos."""

    AUTO = "auto"
    """The first encoder of graphics hardware that works here, else `x264`."""
    X264 = "x264"
    """x264, on the CPU."""
    NVENC = "nvenc"
    """NVIDIA GPUs."""
    VAAPI = "vaapi"
    """Intel and AMD GPUs under Linux."""
    QSV = "qsv"
    """Intel GPUs: Quick Sync Video."""
    VIDEOTOOLBOX = "videotoolbox"
    """macOS."""


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """Settings of written videos.

    Attributes:
        encoder: `auto`: graphics hardware where a check of `tracker doctor` passes, else `x264`;
            `x264`, `nvenc`, `vaapi`, `qsv` or `videotoolbox`.
        crf: Quality, 0 (lossless) to 51 (worst); hardware follows it roughly.
        preset: Of x264: `auto`, which is `veryfast` for frames of less than 1280x720, and for
            larger ones settings of about the same quality that take a third to two thirds of its
            time; or a preset of x264, from `ultrafast` to `veryslow`: slower ones make smaller
            files.
        scale: Factor on width and height, in [0.05, 1]; tracks are drawn at the new size.

    Raises:
        ConfigError: A value is out of range.
    """

    encoder: VideoEncoder = VideoEncoder.AUTO
    crf: int = 23
    preset: str = AUTO_PRESET
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_types(self)
        check_finite(self)
        if not 0 <= self.crf <= 51:
            raise ConfigError(f"video.crf: expected 0 to 51, got {self.crf}")
        if self.preset not in PRESETS:
            hint = nearest(self.preset, PRESETS)
            raise ConfigError(
                f"video.preset: expected one of {', '.join(PRESETS)}, got {self.preset}{hint}"
            )
        if not SMALLEST_SCALE <= self.scale <= 1:
            raise ConfigError(
                f"video.scale: expected a number in [{SMALLEST_SCALE}, 1], got {self.scale}"
            )
