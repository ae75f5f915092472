"""Opens a network of any format that this package runs, those of `tracker.models` included."""

from os import PathLike
from pathlib import Path

from tracker.inference import open_network as formats
from tracker.inference.network import Network
from tracker.models.ncnn.files import SUFFIX
from tracker.models.ncnn.network import NcnnNetwork

SUFFIXES = (*formats.SUFFIXES, SUFFIX)
"""File name suffixes of networks."""


def open_network_file(
    path: str | PathLike[str],
    *,
    threads: int | None = None,
    device: str = "cpu",
    offline: bool = False,
) -> Network:
    """Returns the network of a file, a folder or a handle, ready to run.

    An ncnn `.param` runs on TensorFlow; for all others see `open_network`.

    Args:
        path: The file, the folder, or an address "https://...".
        threads: CPU threads; `None` = one for each core that this process may use.
        device: `cpu`, `gpu`, `gpu:N` or `auto`.
        offline: Whether a handle that is not in the cache is an error, instead of a download.

    Raises:
        ModelError: There is no network of these formats, or it cannot be loaded.
        ConfigError: The device does not fit the format, or there are fewer threads than one.
        DeviceError: The requested GPU is not available.
        DependencyError: The runtime cannot be loaded.
    """
    if Path(path).suffix.lower() == SUFFIX and not Path(path).is_dir():
        return NcnnNetwork(path, threads=threads, device=device)
    return formats.open_network(path, threads=threads, device=device, offline=offline)
