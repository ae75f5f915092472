"""Settings of linking: which tracks of several sources are taken for one person."""

from dataclasses import dataclass

from tracker.errors import ConfigError
from tracker.util.check_types import check_finite, check_types


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Settings of `tracker link` and of `tracker run --link`.

    Attributes:
        max_distance: Largest cosine distance at which tracks get one global id, in `(0, 2]`: the
            mean over all pairs of a track of one group and a track of the other, each track by
            the mean of its embeddings. It depends on the appearance network.
        min_embeddings: Embeddings from which on a track is compared, >= 1.
        overlapping_views: Whether one person may be in two sources at the same time: cameras that
            see the same place.
        gallery_size: Of `tracker run --link`: people who are remembered, >= 1; beyond it, the one
            not seen for the longest time is forgotten.

    Raises:
        ConfigError: A number is out of range.
    """

    max_distance: float = 0.35
    min_embeddings: int = 5
    overlapping_views: bool = False
    gallery_size: int = 1000

    def __post_init__(self) -> None:
        check_types(self)
        check_finite(self)
        allowed = {
            "max_distance": (0 < self.max_distance <= 2, "a number in (0, 2]"),
            "min_embeddings": (self.min_embeddings >= 1, ">= 1"),
            "gallery_size": (self.gallery_size >= 1, ">= 1"),
        }
        for name, (is_allowed, expected) in allowed.items():
            if not is_allowed:
                raise ConfigError(f"linking.{name}: expected {expected}, got {getattr(self, name)}")
