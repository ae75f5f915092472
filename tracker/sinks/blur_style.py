"""Which objects are hidden in videos and windows, and how much of them: the settings `blur`."""

from dataclasses import dataclass
from enum import StrEnum

from tracker.errors import ConfigError
from tracker.util.check_types import check_finite, check_types

PERSON = "person"
"""The class whose head is known to be at the top of its box."""

_LARGEST_MARGIN = 5.0


class BlurRegion(StrEnum):
    """The part of an object that is hidden."""

    OBJECT = "object"
    """All of it: its box, or its mask where there is one."""
    FACE = "face-region"
    """Of persons the part of the box where the head is, as an oval; of other classes all."""


@dataclass(frozen=True, slots=True)
class BlurStyle:
    """Objects that are hidden in videos and windows; by default none.

    Attributes:
        classes: Names of the hidden classes. Empty with `ids`: those ids, of any class. Empty
            without: nothing is hidden.
        ids: Hide only tracks with these ids, >= 1, and what has no id yet; empty for all.
        region: The part that is hidden: `object` or `face-region`.
        margin: Enlargement of a box on each side, as a share of its size, in [0, 5]; twice as much
            for predicted boxes, four times for those of objects that are not confirmed.

    Raises:
        ConfigError: A value is out of range, or the region is set without classes or ids.
    """

    classes: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    region: BlurRegion = BlurRegion.OBJECT
    margin: float = 0.1

    def __post_init__(self) -> None:
        check_types(self)
        for number in self.ids:
            if number < 1:
                raise ConfigError(f"blur.ids: expected ids of tracks, 1 or more, got {number}")
        if not 0 <= self.margin <= _LARGEST_MARGIN:
            raise ConfigError(
                f"blur.margin: expected a number in [0, {_LARGEST_MARGIN:g}], got {self.margin}"
            )
        if self.region is BlurRegion.FACE and not self.is_on:
            raise ConfigError(
                f"blur.region {self.region.value}: expected blur.classes or blur.ids beside it, "
                "got neither; set blur.classes=[person]"
            )
        check_finite(self)

    @property
    def is_on(self) -> bool:
        """Whether any object is hidden."""
        return bool(self.classes or self.ids)
