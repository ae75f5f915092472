"""How common weak detections of nothing are, learnt from those that no track explains.

A detection that is matched with a track is not one out of nowhere. How likely that alternative is
depends on the detection: strong ones out of nowhere are new objects, which are rare, and weak ones
are clutter, of which a detector with a low limit has several in each frame. The cost of a match
with a weak detection rises by the logarithm of how many times commoner those are: the densities of
false and of new targets of Reid 1979, equation 16, learnt in place of one constant for both.
"""

import math

_MEMORY = 1000.0
"""Frames after which a count is worth 1 / e."""

_FIRST_FRAMES, _FIRST_WEAK, _FIRST_NEW = 30.0, 1.0, 0.1
"""Before anything is learnt: as if in so many frames so many of each a frame had been seen."""

_LEAST = 0.1
"""Detections that are counted at least, where none appears for long."""

_MOST = 4.0
"""Largest cost: the ratio is then 55."""


class Clutter:
    """Counts detections that are matched with no track."""

    def __init__(self) -> None:
        self._weak = _FIRST_FRAMES * _FIRST_WEAK
        self._new = _FIRST_FRAMES * _FIRST_NEW

    @property
    def cost(self) -> float:
        """Logarithm of how many times commoner weak ones are than new objects: 0 to 4."""
        return min(max(math.log(self._weak / self._new), 0.0), _MOST)

    def learn(self, weak: int, new: int) -> None:
        """Takes in the detections of a frame that are matched with no track.

        Args:
            weak: Those that are too weak to start a track.
            new: The others.
        """
        fading = 1 - 1 / _MEMORY
        self._weak = max(self._weak * fading + weak, _LEAST)
        self._new = max(self._new * fading + new, _LEAST)
