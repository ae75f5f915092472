"""Which classes of a detector are kept.

Comes in: the detector's class names, and those that are wanted. Goes out: a mask by class index.
"""

from collections.abc import Sequence

import numpy as np

from tracker.arrays import BoolArray
from tracker.errors import ConfigError, nearest


def class_mask(names: Sequence[str], wanted: Sequence[str] | None) -> BoolArray:
    """Returns `(C,)`: whether a class is to be kept.

    Args:
        names: Names by class index.
        wanted: Names to keep; `None` keeps all.

    Raises:
        ConfigError: Nothing is wanted, or a name is unknown.
    """
    if wanted is None:
        return np.ones(len(names), dtype=bool)
    if not wanted:
        raise ConfigError("classes: expected at least one name, got none")
    for name in wanted:
        if name not in names:
            hint = nearest(name, names) or f"; known: {', '.join(names[:10])}"
            raise ConfigError(f"classes: the detector does not know {name!r}{hint}")
    return np.array([name in wanted for name in names])
