"""Settings of segmenters, without what runs them."""

from dataclasses import dataclass
from pathlib import Path

from tracker.errors import ConfigError
from tracker.inference.devices import check_threads
from tracker.models.yolo_shape import STRIDES

_MOST_PIXELS = 8192


@dataclass(frozen=True, slots=True)
class SegmenterSettings:
    """Settings of a segmenter.

    Attributes:
        classes: Names of the classes of interest.
        input_size: Long side in pixels of the network's input, a multiple of 32; `None` for the
            size that it was trained at.
        threads: CPU threads; `None` = 1 for crops, and for whole frames one for each core that
            this process may use.
        cache_dir: Folder of exported networks; `None` takes the platform's.

    Raises:
        ConfigError: There is no class, or a number is out of range.
    """

    classes: tuple[str, ...] = ("person",)
    input_size: int | None = None
    threads: int | None = None
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        if not self.classes:
            raise ConfigError("segmenter.classes: expected at least one name, got none")
        side = self.input_size
        if side is not None and (not STRIDES[-1] <= side <= _MOST_PIXELS or side % STRIDES[-1]):
            raise ConfigError(
                f"segmenter.input_size: expected a positive multiple of {STRIDES[-1]}, at most "
                f"{_MOST_PIXELS}, got {side}"
            )
        check_threads(self.threads, "segmenter.threads")
