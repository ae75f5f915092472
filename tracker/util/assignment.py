"""SciPy's solver of the assignment problem, without the rest of `scipy.optimize`.

The solver is a compiled module of 27 KB that needs NumPy alone. `import scipy.optimize` loads 300
modules more: 0.2 s of the start of a run and 50 MB of its memory (docs/performance.md).
"""

import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec

from tracker.util.arrays import Float64Array, IndexArray

Solver = Callable[[Float64Array], tuple[IndexArray, IndexArray]]

_PACKAGE = "scipy.optimize"
_MODULE = "_lsap"


def load_solver(module: str = _MODULE) -> Solver:
    """Returns `scipy.optimize.linear_sum_assignment`.

    Args:
        module: The compiled module that has it. It is no public name of SciPy: where a release has
            it elsewhere, `scipy.optimize` is imported.
    """
    alone = None if _PACKAGE in sys.modules else _without_package(module)
    if alone is not None:
        return alone
    from scipy.optimize import linear_sum_assignment

    public: Solver = linear_sum_assignment
    return public


def _without_package(module: str) -> Solver | None:
    """Returns the solver of a compiled module, whose package stays unloaded; else `None`."""
    home = find_spec("scipy")
    if home is None or home.submodule_search_locations is None:
        return None
    folders = [f"{folder}/optimize" for folder in home.submodule_search_locations]
    found = PathFinder.find_spec(f"{_PACKAGE}.{module}", folders)
    if found is None or found.loader is None:
        return None
    compiled = module_from_spec(found)
    found.loader.exec_module(compiled)
    return getattr(compiled, "linear_sum_assignment", None)


linear_sum_assignment = load_solver()
