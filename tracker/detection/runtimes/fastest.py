"""A network on the faster of two runtimes: both are measured once, and the result is kept.

Measured is the network's own input, for less than a second (two calls, of a slow network); the
cache keeps the times by machine, library versions, network and input size. Without a cache the
usual runtime is used, so that equal runs have equal results.
"""

import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tracker.errors import DependencyError, ModelError
from tracker.inference.cache import cache_key, cached, library_version, measured_path
from tracker.inference.litert import available_cores
from tracker.inference.network import Network, TensorSpec
from tracker.inference.stored_names import StoredFacts
from tracker.util.machine import cpu_model

logger = logging.getLogger(__name__)

_FORMAT = 1
"""Raised whenever the measurement changes: old cached times are then not found any more."""

BUDGET_S = 0.4
"""Seconds for one runtime, after a call that warms it up; a slower call is measured once."""

_MOST_CALLS = 30

GAIN = 0.9
"""The other runtime has to need less than this share of the usual one's time. Two measurements of
one runtime differ by some per cent, and a change of runtime changes scores in the last digits."""

_Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Runnable:
    """A network on a runtime.

    Attributes:
        runtime: Name of the runtime's package.
        open: Opens the network.
    """

    runtime: str
    open: Callable[[], Network]


@dataclass(frozen=True, slots=True)
class Measurement:
    """How runtimes are measured.

    Attributes:
        threads: CPU threads of the networks; `None` = one for each core that this process may use.
        cache_dir: Folder of this program's caches; `None` selects the platform's.
        clock: Returns seconds.
    """

    threads: int | None = None
    cache_dir: Path | None = None
    clock: Callable[[], float] = field(default=time.perf_counter)


class FastestNetwork:
    """A network on the faster of two runtimes; decided for each input shape at its first call.

    Args:
        what: The network's name, for the log.
        usual: The network on the runtime that it runs on unless the other is faster.
        other: The network on the other runtime.
        measurement: How they are measured.
    """

    def __init__(
        self, what: str, usual: Runnable, other: Runnable, *, measurement: Measurement
    ) -> None:
        self._what = what
        self._usual, self._other = usual, other
        self._measurement = measurement
        network = usual.open()
        self._inputs, self._outputs = tuple(network.inputs), tuple(network.outputs)
        self._digests, self._stored = network.digests, network.stored
        self._open = {usual.runtime: network}
        self._chosen: dict[_Shapes, str] = {}

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Specifications of the inputs."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Specifications of the outputs."""
        return self._outputs

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of the files that define it, by name."""
        return self._digests

    @property
    def stored(self) -> StoredFacts:
        """Class names and task, as far as its file stores them."""
        return self._stored

    def run(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Returns the outputs, in the order of `outputs`; see `Network.run`.

        Raises:
            ModelError: The arrays do not fit the inputs, or the network fails.
        """
        # One choice for batches of any length.
        shapes = tuple(array.shape[1:] for array in arrays)
        if shapes not in self._chosen:
            self._chosen[shapes] = self._faster(arrays, shapes)
            in_use = set(self._chosen.values())
            self._open = {name: opened for name, opened in self._open.items() if name in in_use}
        return self._network(self._chosen[shapes]).run(arrays)

    def _network(self, runtime: str) -> Network:
        if runtime not in self._open:
            runnable = self._usual if runtime == self._usual.runtime else self._other
            self._open[runtime] = runnable.open()
        return self._open[runtime]

    def _faster(self, arrays: Sequence[NDArray[Any]], shapes: _Shapes) -> str:
        """Returns the name of the faster runtime, measured now or earlier."""
        first = [array[:1] for array in arrays]
        path = measured_path(self._measurement.cache_dir, self._key(shapes))
        if path is None:
            return self._usual.runtime
        is_new = not path.exists()
        record = cached(path, lambda: json.dumps(self._times(first)).encode())
        times: dict[str, float] = json.loads(record)
        usual, other = times[self._usual.runtime], times.get(self._other.runtime, math.inf)
        chosen = self._other.runtime if other < GAIN * usual else self._usual.runtime
        spent = ", ".join(f"{name} {seconds * 1000:.1f} ms" for name, seconds in times.items())
        logger.info(
            "%s: runtime %s (%s; %s)",
            self._what,
            chosen,
            spent if len(times) > 1 else f"{self._other.runtime} cannot run it",
            "measured now" if is_new else f"measured earlier: {path}",
        )
        return chosen

    def _times(self, arrays: Sequence[NDArray[Any]]) -> dict[str, float]:
        """Returns the seconds of one call by runtime, without a runtime that cannot run it."""
        clock = self._measurement.clock
        usual = self._network(self._usual.runtime)
        times = {self._usual.runtime: shortest_call_s(lambda: usual.run(arrays), clock)}
        with suppress(ModelError, DependencyError):
            other = self._network(self._other.runtime)
            if _tensors(other) == _tensors(self):
                times[self._other.runtime] = shortest_call_s(lambda: other.run(arrays), clock)
        return times

    def _key(self, shapes: _Shapes) -> str:
        runtimes = (self._usual.runtime, self._other.runtime)
        return cache_key(
            {
                "format": _FORMAT,
                "cpu": cpu_model(),
                "cores": available_cores(),
                "threads": self._measurement.threads or available_cores(),
                "versions": {name: library_version(name) for name in runtimes},
                "model": dict(self._digests),
                "shapes": shapes,
            }
        )


def shortest_call_s(call: Callable[[], object], clock: Callable[[], float]) -> float:
    """Returns the seconds of the shortest of some calls, which others disturb the least.

    A first call, in which a runtime may still compile the network, does not count.

    Args:
        call: What is measured, for `BUDGET_S` at most; at least once.
        clock: Returns seconds.
    """
    call()
    start = clock()
    spent: list[float] = []
    while not spent or (clock() - start < BUDGET_S and len(spent) < _MOST_CALLS):
        begin = clock()
        call()
        spent.append(clock() - begin)
    return min(spent)


def _tensors(network: Network) -> list[tuple[str, str]]:
    return [(spec.name, spec.dtype) for spec in (*network.inputs, *network.outputs)]
