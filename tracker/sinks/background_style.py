"""Style of the background of drawn frames, without what draws it."""

from dataclasses import dataclass
from enum import StrEnum

from tracker.errors import ConfigError


class Background(StrEnum):
    """What is done to the background."""

    KEEP = "keep"
    """It stays."""
    BLUR = "blur"
    """It is blurred."""
    REMOVE = "remove"
    """It is painted over with one colour."""
    IMAGE = "image"
    """An image takes its place."""


@dataclass(frozen=True, slots=True)
class BackgroundStyle:
    """Style of backgrounds.

    Attributes:
        background: What is done to them.
        classes: Names of the classes whose tracks are shown; where the detector has none of them (a
            motion detector, for example), all tracks are.
        margin: Share of its size by which a track's box grows on each side before segmentation, >=
            0: boxes are often tight.
        blur: Standard deviation of the Gaussian, as a share of the frame's long side, in
            `(0, 0.2]`.
        color: RGB of what is removed, each 0 to 255.
        image: Path of the image for `IMAGE`.

    Raises:
        ConfigError: A number is out of range, or the image is missing.
    """

    background: Background = Background.BLUR
    classes: tuple[str, ...] = ("person",)
    margin: float = 0.1
    blur: float = 0.02
    color: tuple[int, int, int] = (128, 128, 128)
    image: str | None = None

    def __post_init__(self) -> None:
        if self.background is Background.IMAGE and self.image is None:
            raise ConfigError(
                "segmenter.image: expected the path of an image for the background, got none"
            )
        if not 0 <= self.margin < float("inf"):
            raise ConfigError(f"segmenter.margin: expected >= 0, got {self.margin}")
        if not 0 < self.blur <= 0.2:
            raise ConfigError(f"segmenter.blur: expected above 0, up to 0.2, got {self.blur}")
        if not all(0 <= value <= 255 for value in self.color):
            raise ConfigError(f"segmenter.color: expected 0 to 255 each, got {list(self.color)}")
