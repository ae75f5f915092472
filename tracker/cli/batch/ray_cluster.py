"""The Ray cluster of `tracker batch`: what workers ask for, and where it is."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracker.errors import ConfigError
from tracker.inference.litert import available_cores
from tracker.util.address import scheme_of

_STORE_BYTES = 100_000_000
"""Object store of a Ray that is started here: jobs and outcomes are a few hundred bytes."""


@dataclass(frozen=True, slots=True)
class RayOptions:
    """The cluster, and what each worker takes of it.

    Attributes:
        address: `auto` or HOST:PORT of a running cluster; `None` for the cluster of this machine
            where there is one, else a Ray of its own.
        workers: Most workers; `None` for as many as fit the cluster, also when nodes join.
        cpus: Processors of each.
        gpus: GPUs of each.
        memory_gb: Memory of each in GB; `None` asks for none.
    """

    address: str | None = None
    workers: int | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    memory_gb: float | None = None

    def __post_init__(self) -> None:
        if self.address is not None and scheme_of(self.address) is not None:
            raise ConfigError(
                f"--ray-address {self.address}: expected auto or HOST:PORT, got a client address; "
                "run the command on the cluster: ray job submit -- tracker batch ..."
            )
        allowed = {
            "cpus": (
                0 < self.cpus < math.inf and (self.cpus < 1 or self.cpus % 1 == 0),
                "a number above 0, whole from 1 on",
            ),
            "gpus": (
                0 <= self.gpus < math.inf and (self.gpus < 1 or self.gpus % 1 == 0),
                "0 or more, whole from 1 on",
            ),
            "memory": (
                self.memory_gb is None or 0 < self.memory_gb < math.inf,
                "GB, a number above 0",
            ),
        }
        for name, (is_allowed, expected) in allowed.items():
            if not is_allowed:
                value = self.memory_gb if name == "memory" else getattr(self, name)
                raise ConfigError(f"--{name}-per-worker: expected {expected}, got {value:g}")

    def demand(self) -> dict[str, float]:
        """Returns the resources of a worker, by Ray's names."""
        wanted = {"CPU": self.cpus, "GPU": self.gpus, "memory": (self.memory_gb or 0) * 1e9}
        return {name: amount for name, amount in wanted.items() if amount}


def fitting(nodes: Sequence[Mapping[str, Any]], demand: Mapping[str, float]) -> int:
    """Returns the number of workers that fit the nodes of a cluster, of which all else is idle.

    Args:
        nodes: As `ray.nodes()` returns them.
        demand: Resources of a worker.

    Example:
        >>> nodes = [{"Alive": True, "Resources": {"CPU": 8.0, "GPU": 1.0}}, {"Alive": False}]
        >>> fitting(nodes, {"CPU": 2}), fitting(nodes, {"CPU": 2, "GPU": 0.5})
        (4, 2)
    """
    return sum(
        min(int(node["Resources"].get(name, 0) / amount + 1e-9) for name, amount in demand.items())
        for node in nodes
        if node["Alive"]
    )


def connect(ray: Any, address: str | None) -> bool:
    """Connects to a cluster; starts one on this machine where there is none, and returns whether.

    Raises:
        ConfigError: There is none at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # See `RayWorker.load`.
    options: dict[str, Any] = {"logging_level": "error", "log_to_driver": False}
    if address is not None:
        options["address"] = address
    try:
        try:
            ray.init(**({"address": "auto"} | options))
            return False
        except ConnectionError:
            if address is not None:
                raise
            own = {"num_cpus": available_cores(), "object_store_memory": _STORE_BYTES}
            ray.init(address="local", include_dashboard=False, **own, **options)
            return True
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ConfigError(f"--ray-address {address or 'auto'}: no Ray there: {reason}") from error
