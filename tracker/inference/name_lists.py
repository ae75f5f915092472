"""Lists of class names by index, completed and made unique."""

import logging
from collections.abc import Mapping, Sequence

from tracker.util.short_repr import short_repr

logger = logging.getLogger(__name__)

_SHOWN = 3


def numbered_names(names: Sequence[str], *, what: str) -> tuple[str, ...]:
    """Returns the names, with a number appended to each repeated one; a warning lists these.

    Published label maps repeat a placeholder such as "???" for unused indices.

    Args:
        names: Names by class index.
        what: Where they come from, for the warning.

    Example:
        >>> numbered_names(["empty", "car"], what="a.names")
        ('empty', 'car')
    """
    taken, given = set(names), set[str]()
    result, changed = [], []
    # The last number of each name, as thousands may be equal.
    last: dict[str, int] = {}
    for name in names:
        unique, number = name, last.get(name, 1)
        while unique in given or (number > 1 and unique in taken):
            number += 1
            unique = f"{name} ({number})"
        last[name] = number
        given.add(unique)
        result.append(unique)
        if unique != name:
            changed.append(unique)
    if changed:
        shown = ", ".join(map(short_repr, changed[:_SHOWN])) + (", ..." if changed[_SHOWN:] else "")
        logger.warning("%s: repeated names are numbered: %s", what, shown)
    return tuple(result)


def filled_names(names: Mapping[int, str], count: int, *, what: str) -> tuple[str, ...]:
    """Returns `count` names, `class_1` for one that is missing; a warning lists the missing ones.

    Args:
        names: Names by class index, below `count`.
        count: Number of classes.
        what: Where they come from, for the warning.

    Example:
        >>> filled_names({0: "person", 1: "car"}, 2, what="a.onnx")
        ('person', 'car')
    """
    missing = [str(index) for index in range(count) if index not in names]
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + (", ..." if missing[_SHOWN:] else "")
        logger.warning(
            "%s: no names for the classes %s: they are named class_%s and so on",
            *(what, shown, missing[0]),
        )
    return tuple(names.get(index, f"class_{index}") for index in range(count))
