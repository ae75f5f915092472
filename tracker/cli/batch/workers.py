"""The workers that the options of `tracker batch` ask for."""

from collections.abc import Mapping
from typing import Any

from tracker.cli.batch.ray_cluster import RayOptions
from tracker.config.run import Config
from tracker.errors import ConfigError

_OPTION_OF = {
    "address": "--ray-address",
    "cpus": "--cpus-per-worker",
    "gpus": "--gpus-per-worker",
    "memory_gb": "--memory-per-worker",
}


def ray_options(given: Mapping[str, Any], config: Config, *, is_ray: bool) -> RayOptions | None:
    """Returns the cluster that is asked for; `None` for processes on this machine.

    Args:
        given: Values by the names of `RayOptions`, `None` where an option is not given.
        config: The configuration.
        is_ray: Whether the engine is Ray.

    Raises:
        ConfigError: Options do not go together.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    if not is_ray:
        for name in chosen.keys() & _OPTION_OF.keys():
            raise ConfigError(f"{_OPTION_OF[name]}: expected --engine ray, got --engine local")
        return None
    options = RayOptions(**chosen)
    device = config.detector.network.device
    if device.startswith("gpu") and not options.gpus:
        raise ConfigError(
            f"--device {device}: expected GPUs for the workers, got none; add --gpus-per-worker 1"
        )
    return options
