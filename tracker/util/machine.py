"""The processor that this program runs on."""

import platform
from pathlib import Path


def cpu_model(info: Path = Path("/proc/cpuinfo")) -> str:
    """Returns the name of the processor.

    Args:
        info: Linux's file about the processor.
    """
    try:
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, [*names, platform.processor(), platform.machine()]), "unknown")
