"""Views of crops: images that teachers see just as the student will see them.

A teacher that is asked about the very view that the student learns from says what that view shows,
not what the crop showed before it was changed: arXiv 2106.05237, "consistent teaching".
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from tracker.errors import ConfigError, DataError
from tracker.models.reid_shape import CROP_HEIGHT
from tracker.training.reid.augment import NO_CHANGE, cover_part, cut_object
from tracker.util.arrays import BoolArray, IndexArray, UInt8Array, frozen

_JOINT = (0.35, 0.65)
"""Where the legs of another person may begin, as shares of the image's height."""

_BLENDED_ROWS = (1, 4)
"""Fewest and most rows over which two people go over into each other."""


@dataclass(frozen=True, slots=True)
class ViewSettings:
    """How many views are made, and what becomes of crops in them.

    Attributes:
        count: Views of each crop; 0 makes none.
        shift: Largest move of each side of the box, as a share of its width or height.
        flip: Probability of the mirror image.
        mixed: Of upright people, probability of the lower part of another person.
        cover: Of upright people, probability that a piece of another one covers a part.
        seed: Seed of all random draws.

    Raises:
        ConfigError: A value is out of range.
    """

    count: int
    shift: float = 0.08
    flip: float = 0.5
    mixed: float = 0.35
    cover: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        shares = ("flip", "mixed", "cover")
        allowed = {name: (0 <= getattr(self, name) <= 1, "[0, 1]") for name in shares}
        allowed |= {name: (getattr(self, name) >= 0, "at least 0") for name in ("count", "seed")}
        allowed["shift"] = (0 <= self.shift < 0.5, "[0, 0.5)")
        for name, (is_allowed, expected) in allowed.items():
            if not is_allowed:
                raise ConfigError(f"views.{name}: expected {expected}, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True, eq=False)
class ViewedCrops:
    """The crops that views are made of, `N` of them.

    Attributes:
        read: Returns a crop by its number, `(h, w, 3)` uint8 RGB, all of one size.
        groups: `(N,)` intp; equal numbers mean the same object.
        upright: `(N,)` bool: the crop shows an upright person.
        margin: Surroundings on every side, as a share of the object's size.

    Raises:
        DataError: Shapes do not fit, or there is no crop.
    """

    read: Callable[[int], UInt8Array]
    groups: IndexArray
    upright: BoolArray
    margin: float

    def __post_init__(self) -> None:
        count = len(self.groups)
        if not count:
            raise DataError("views: expected at least one crop, got none")
        groups = frozen(self.groups, dtype="intp", shape=(count,), name="groups")
        upright = frozen(self.upright, dtype="bool", shape=(count,), name="upright")
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "upright", upright)

    def __len__(self) -> int:
        return len(self.groups)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A view of a crop.

    Attributes:
        crop: The number of the crop.
        image: `(128, 64, 3)` uint8 RGB.
        mixed: It has the lower part of another person and forms a separate group.
    """

    crop: int
    image: UInt8Array
    mixed: bool


def all_views(crops: ViewedCrops, settings: ViewSettings) -> Iterator[View]:
    """Returns all views, one by one: in each round every crop once, in an order of its own.

    What a view shows depends on the crops, the settings and its place alone, so views that are made
    again are the same.

    Args:
        crops: What they are made of.
        settings: How many, and how.
    """
    for turn in range(settings.count):
        # The 1 at the end tells it from the draws of view `turn`: a 0 would not.
        order = np.random.default_rng([settings.seed, turn, 1]).permutation(len(crops))
        for place, crop in enumerate(order.tolist()):
            rng = np.random.default_rng([settings.seed, turn * len(crops) + place])
            yield make_view(crops, crop, settings=settings, rng=rng)


def make_view(
    crops: ViewedCrops, crop: int, *, settings: ViewSettings, rng: np.random.Generator
) -> View:
    """Returns a view of a crop.

    Without another upright person there is no mixing and no cover.

    Args:
        crops: All crops.
        crop: The number of the one.
        settings: What becomes of it.
        rng: Random generator.
    """
    change = replace(NO_CHANGE, shift=settings.shift, flip=settings.flip)
    image = cut_object(crops.read(crop), margin=crops.margin, settings=change, rng=rng)
    if not crops.upright[crop]:
        return View(crop, image, mixed=False)
    others = np.flatnonzero(crops.upright & (crops.groups != crops.groups[crop]))
    mixed = len(others) > 0 and rng.random() < settings.mixed
    if mixed:
        other = crops.read(int(rng.choice(others)))
        legs = cut_object(other, margin=crops.margin, settings=change, rng=rng)
        image = joined(
            image,
            legs,
            row=int(CROP_HEIGHT * rng.uniform(*_JOINT)),
            blended=int(rng.integers(_BLENDED_ROWS[0], _BLENDED_ROWS[1] + 1)),
        )
    if len(others) and rng.random() < settings.cover:
        image = cover_part(image, crops.read(int(rng.choice(others))), rng=rng)
    return View(crop, image, mixed=mixed)


def joined(upper: UInt8Array, lower: UInt8Array, *, row: int, blended: int) -> UInt8Array:
    """Returns the upper part of one image over the lower part of another, `(h, w, 3)` uint8.

    Args:
        upper: `(h, w, 3)` uint8.
        lower: `(h, w, 3)` uint8.
        row: The first row that has something of both.
        blended: So many rows do, at least 1; the share of the lower one grows evenly in them.
    """
    ramp = (np.arange(len(upper)) - row + 1) / (blended + 1)
    share = np.clip(ramp, 0, 1)[:, None, None]
    return np.asarray(np.rint(upper * (1 - share) + lower * share), np.uint8)
