"""What an analyser says and takes about frames that it need not see."""

from dataclasses import dataclass

from tracker.analytics.membership import Group
from tracker.util.arrays import Float64Array, Int32Array, Int64Array


@dataclass(frozen=True, slots=True)
class Outlook:
    """What can bring events although no track is new, changes sides or moves far.

    Attributes:
        waiting: Tracks that are not yet clear of a border or line: id, group, and column among
            the zones, then lines, of the group.
        due_s: When the next limit of time may be reached.
    """

    waiting: list[tuple[int, Group, int]]
    due_s: float


@dataclass(frozen=True, slots=True, eq=False)
class LastSeen:
    """Where `T` tracks were seen last.

    Attributes:
        ids: `(T,)` ids.
        boxes: `(T, 4)` float64 xyxy, rounded as in result files.
        classes: `(T,)` class indices.
        times_s: `(T,)` times in seconds.
    """

    ids: Int64Array
    boxes: Float64Array
    classes: Int32Array
    times_s: Float64Array
