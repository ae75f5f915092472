"""Actors of a Ray cluster that share the videos of `tracker batch` (extra `ray`).

An actor that is lost, alone or with its node, is replaced where the cluster has room, and its job
is taken up again from its checkpoint. Workers are added while nodes join.
"""

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracker.cli.batch.engine import ATTEMPTS, Engine, JobQueue
from tracker.cli.batch.jobs import Job, Wanted
from tracker.cli.batch.ray_cluster import RayOptions, connect, fitting
from tracker.cli.batch.ray_worker import RayWorker, Share, Surroundings
from tracker.cli.batch.work import Outcome, Progress
from tracker.config.run import Config
from tracker.errors import ConfigError, ModelError
from tracker.util.address import scheme_of
from tracker.util.atomic_file import make_parent
from tracker.util.optional_library import optional_library
from tracker.util.terminal import print_status
from tracker.version import __version__

_POLL_S = 0.5
_PROGRESS_S = 1.0
_QUESTIONS = 200
_CAPACITY_S = 5.0
"""Seconds between two looks at the nodes of the cluster."""


@dataclass(slots=True, eq=False)
class _Worker:
    actor: Any
    node: str = ""
    number: int = 0
    job: Job | None = None
    is_loaded: bool = False
    asked_s: float = 0.0
    pending: dict[Any, str] = field(default_factory=dict)
    """What each call that has not returned is for."""


class RayPool(Engine):
    """Actors, each with a copy of the model; the context connects to the cluster.

    Args:
        config: The configuration.
        wanted: The files of each video.
        out: Folder of the results.
        options: The cluster, and what each worker takes of it.

    Raises:
        DependencyError: Ray is not installed.
    """

    def __init__(self, config: Config, wanted: Wanted, out: str, options: RayOptions) -> None:
        super().__init__()
        self._ray = optional_library("ray", purpose="several machines", extra="ray")
        self._config, self._wanted, self._out, self._options = config, wanted, out, options
        self._workers: list[_Worker] = []
        self._has_connected = self._is_own = self._is_stopping = False
        self._token: Path | None = None
        self._has_loaded, self._refused, self._failed_loads = False, 0, 0
        self._fitting, self._fitting_until_s, self._has_waited = 0, 0.0, False

    def __enter__(self) -> "RayPool":
        # Before signal handlers are set: connecting sets Ray's.
        if not self._ray.is_initialized():
            self._is_own = connect(self._ray, self._options.address)
            self._has_connected = True
        if scheme_of(self._out) is None:
            self._token = Path(self._out) / f".shared-{uuid.uuid4().hex}"
            make_parent(self._token)
            self._token.touch()
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            self._end(worker)
        self._workers = []
        if self._token is not None:
            self._token.unlink(missing_ok=True)
        if self._has_connected:
            self._ray.shutdown()

    def run(
        self, jobs: Sequence[Job], report: Callable[[Progress], None], stop: threading.Event
    ) -> Iterator[Outcome]:
        """Yields the outcome of each job, in the order in which they end; see `Engine.run`.

        Raises:
            ConfigError: No node of a Ray that was started here has what a worker needs.
            ModelError: The workers cannot build the pipeline, or do not see the same files.
        """
        self._queue = JobQueue(jobs)
        common = self._surroundings(jobs)
        self._is_stopping = False
        while self._queue or any(worker.job for worker in self._workers):
            if stop.is_set() and not self._is_stopping:
                self._is_stopping = True
                self._stop()
            if self._is_stopping:
                yield from self._queue.drain()
            self._scale()
            for worker in self._workers:
                self._call(worker)
            calls = {ref: worker for worker in self._workers for ref in worker.pending}
            for ref in self._ready(list(calls)):
                yield from self._returned(calls[ref], ref, common, report)

    def _ready(self, calls: list[Any]) -> list[Any]:
        """Returns the calls that have returned, after a short time where none has."""
        if not calls or not self._ray.wait(calls, timeout=_POLL_S)[0]:
            return []
        ready: list[Any] = self._ray.wait(calls, num_returns=len(calls), timeout=0)[0]
        return ready

    def _surroundings(self, jobs: Sequence[Job]) -> Surroundings:
        paths = [path for job in jobs for path in (job.source, job.stem)]
        is_relative = any(scheme_of(path) is None and not os.path.isabs(path) for path in paths)
        token = None if self._token is None else str(self._token.absolute())
        return Surroundings(__version__, os.getcwd() if is_relative else None, token)

    def _scale(self) -> None:
        """Starts or ends workers: as many as fit the cluster, at most one for each open job."""
        running = sum(worker.job is not None for worker in self._workers)
        target = min(self._room(), running + len(self._queue))
        idle = [worker for worker in self._workers if worker.job is None]
        for worker in idle[: max(len(self._workers) - target, 0)]:
            self._end(worker)
            self._workers.remove(worker)
        while len(self._workers) < target:
            memory = None if self._options.memory_gb is None else int(self._options.memory_gb * 1e9)
            actor_class = self._ray.remote(RayWorker).options(
                num_cpus=self._options.cpus,
                num_gpus=self._options.gpus,
                memory=memory,
                max_concurrency=2,
                max_restarts=0,
            )
            worker = _Worker(actor_class.remote(self._config, self._wanted))
            worker.pending[worker.actor.node.remote()] = "place"
            self._workers.append(worker)

    def _room(self) -> int:
        """Returns the number of workers to have; says so where there is room for none."""
        if time.monotonic() >= self._fitting_until_s:
            self._fitting = fitting(self._ray.nodes(), self._options.demand())
            self._fitting_until_s = time.monotonic() + _CAPACITY_S
            if not self._fitting and not self._has_waited:
                self._has_waited = True
                text = f"expected a node with {self._options.demand()} for a worker, got none"
                if self._is_own:
                    raise ConfigError(f"--engine ray: {text}; ask for less per worker")
                print_status(f"{text}; waiting for one to join")
        # With no room at all one worker waits, so that an autoscaler sees what is needed.
        return max((self._options.workers or self._fitting) - self._refused, 1)

    def _call(self, worker: _Worker) -> None:
        """Gives a free worker its next job; asks a busy one for its progress."""
        if worker.is_loaded and worker.job is None and self._queue:
            worker.job = self._queue.take()
            worker.pending[worker.actor.process.remote(worker.job)] = "process"
        elif worker.job is not None and time.monotonic() >= worker.asked_s + self._progress_s():
            if "progress" not in worker.pending.values():
                worker.asked_s = time.monotonic()
                worker.pending[worker.actor.progress.remote()] = "progress"

    def _progress_s(self) -> float:
        """Returns the seconds between two questions to one worker: 200 a second in all."""
        return max(_PROGRESS_S, len(self._workers) / _QUESTIONS)

    def _returned(
        self,
        worker: _Worker,
        ref: Any,
        common: Surroundings,
        report: Callable[[Progress], None],
    ) -> Iterator[Outcome]:
        if worker not in self._workers:
            return  # Another of its calls has shown that it is lost.
        purpose = worker.pending.pop(ref)
        try:
            value = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            yield from self._lost(worker, error)
            return
        if purpose == "place":
            worker.node = value
            taken = {one.number for one in self._workers if one.node == value and one is not worker}
            worker.number = min(set(range(len(taken) + 1)) - taken)
            share = Share(self._options.cpus, self._options.gpus, worker.number)
            worker.pending[worker.actor.load.remote(share, common)] = "load"
        elif purpose == "load":
            self._loaded(worker, value)
        elif purpose == "process":
            job, worker.job = worker.job, None
            yield from self._queue.ended(job, value, is_stopping=self._is_stopping)
        elif value is not None and worker.job is not None and value.source == worker.job.name:
            report(value)

    def _loaded(self, worker: _Worker, refusal: str | None) -> None:
        if refusal is None:
            worker.is_loaded = self._has_loaded = True
            self._failed_loads = 0
            return
        if not self._has_loaded:
            raise ModelError(refusal)
        print_status(f"tracker: warning: one worker less: {refusal}")
        self._refused += 1
        self._end(worker)
        self._workers.remove(worker)

    def _lost(self, worker: _Worker, error: Exception) -> Iterator[Outcome]:
        """Removes a worker; its job is first in the queue."""
        self._end(worker)
        self._workers.remove(worker)
        job, how = worker.job, type(error).__name__
        if job is not None:
            given_up = self._queue.put_back(job, how)
            if given_up:
                yield given_up
        elif not worker.is_loaded:
            self._failed_loads += 1
            if self._failed_loads >= ATTEMPTS:
                raise ModelError(
                    f"{self._failed_loads} workers ended while they built the pipeline ({how}); is "
                    "there enough memory? Try --memory-per-worker"
                )

    def _stop(self) -> None:
        """Interrupts the running jobs."""
        for worker in self._workers:
            if worker.job is not None:
                worker.actor.stop.remote()

    def _end(self, worker: _Worker) -> None:
        with suppress(Exception):  # It is lost already, or the cluster is.
            self._ray.kill(worker.actor)
