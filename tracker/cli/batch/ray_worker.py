"""The actor of `tracker batch --engine ray`: one model load, then job after job.

Its methods are called by the driver in two threads: `process` in one, `progress` and `stop` in the
other.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tracker.cli.batch.jobs import Job, Wanted
from tracker.cli.batch.work import Outcome, Progress, process
from tracker.cli.run.one import Stop
from tracker.config.build import build_pipeline
from tracker.config.run import Config
from tracker.errors import TrackerError
from tracker.pipeline.single import Pipeline
from tracker.util.optional_library import optional_library
from tracker.version import __version__


@dataclass(frozen=True, slots=True)
class Share:
    """What a worker has of its node.

    Attributes:
        cpus: Processors; below 1, one that is shared.
        gpus: GPUs.
        number: Number of the worker on its node, from 0.
    """

    cpus: float
    gpus: float
    number: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all nodes have to have in common.

    Attributes:
        version: Version of this package.
        folder: Working folder of the driver, which relative paths start from; `None` where there
            are none.
        token: A file in the folder of the results; `None` where that is a URL.
    """

    version: str
    folder: str | None
    token: str | None


class RayWorker:
    """One worker.

    Args:
        config: The configuration.
        wanted: The files of each video.
    """

    def __init__(self, config: Config, wanted: Wanted) -> None:
        self._config, self._wanted = config, wanted
        self._pipeline: Pipeline | None = None
        self._progress: Progress | None = None
        self._stop = Stop()

    def node(self) -> str:
        """Returns the node that it runs on."""
        ray = optional_library("ray", purpose="several machines", extra="ray")
        return str(ray.get_runtime_context().get_node_id())

    def load(self, share: Share, common: Surroundings) -> str | None:
        """Builds the pipeline; returns why it cannot be used, or `None`."""
        wrong = difference(common)
        if wrong is not None:
            return f"node {socket.gethostname()}: {wrong}"
        if not share.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # A worker takes what it has asked for only.
        if hasattr(os, "sched_setaffinity"):
            own = cores_of(share, sorted(os.sched_getaffinity(0)))
            for thread in os.listdir("/proc/self/task"):
                # Jobs run in another thread than this method, and those of Ray are there already.
                os.sched_setaffinity(int(thread), own)
        try:
            self._pipeline = build_pipeline(self._config)
        except TrackerError as error:
            return str(error.args[0] if error.args else error)
        return None

    def process(self, job: Job) -> Outcome:
        """Returns the outcome of one job."""
        assert self._pipeline is not None, "loaded before"
        self._progress = None
        return process(
            job, self._pipeline, self._config, self._wanted, self._set_progress, self._stop
        )

    def progress(self) -> Progress | None:
        """Returns the progress of the job under way, if there is any."""
        return self._progress

    def stop(self) -> None:
        """Interrupts the job under way after its current frame."""
        self._stop.request()

    def _set_progress(self, progress: Progress) -> None:
        self._progress = progress


def difference(common: Surroundings) -> str | None:
    """Returns what this node lacks, or `None`; changes to the working folder of the driver."""
    if common.version != __version__:
        return f"expected tracker-pipeline {common.version}, as on the driver, got {__version__}"
    if common.folder is not None:
        try:
            os.chdir(common.folder)
        except OSError:
            return (
                f"no folder {common.folder}, which relative paths start from; name videos, models "
                "and --out by absolute paths on a shared disk, or by URLs"
            )
    if common.token is not None and not Path(common.token).exists():
        return (
            f"it does not see the driver's folder {Path(common.token).parent}; name an --out on a "
            "disk that all nodes share, or a URL (s3://BUCKET/results)"
        )
    return None


def cores_of(share: Share, cores: Sequence[int]) -> Sequence[int]:
    """Returns the processors of a worker: those before it on the node have others.

    Example:
        >>> cores_of(Share(2, 0, 1), [0, 1, 2, 3]), cores_of(Share(0.5, 0, 3), [0, 1])
        ([2, 3], [1])
    """
    if share.cpus < 1:
        return [cores[int(share.number * share.cpus) % len(cores)]]
    count = int(share.cpus)
    start = share.number * count
    return cores[start : start + count] or cores
