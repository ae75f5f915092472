"""Processes on this machine that share the videos of `tracker batch`.

A process that is lost (killed, out of memory) is replaced, and its video is taken up again from its
checkpoint by the next one that is free.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from tracker.cli.batch.engine import Engine, JobQueue
from tracker.cli.batch.jobs import Job, Wanted
from tracker.cli.batch.work import Outcome, Progress, State, work
from tracker.config.run import Config
from tracker.errors import ModelError

_POLL_S = 0.2
_END_S = 30.0


@dataclass(slots=True, eq=False)
class _Worker:
    process: BaseProcess
    connection: Connection
    number: int
    job: Job | None = None
    is_ready: bool = False


class Pool(Engine):
    """Processes, each with a copy of the model, and the videos that they have not done.

    Args:
        config: The configuration.
        wanted: The files of each video.
        count: Number of processes.
    """

    def __init__(self, config: Config, wanted: Wanted, count: int) -> None:
        super().__init__()
        self._config, self._wanted = config, wanted
        self._count = count
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
        self._workers = []

    def run(
        self, jobs: Sequence[Job], report: Callable[[Progress], None], stop: threading.Event
    ) -> Iterator[Outcome]:
        """Yields the outcome of each video, in the order in which they end; see `Engine.run`.

        Raises:
            ModelError: The processes cannot build the pipeline.
        """
        self._queue = JobQueue(jobs)
        with self:
            is_stopping = False
            while self._workers or (self._queue and not is_stopping):
                if stop.is_set() and not is_stopping:
                    is_stopping = True
                    yield from self._stop()
                yield from self._step(report, stop)

    def _start_missing(self) -> None:
        """Starts processes: one for each job that is not done, but not more than there may be."""
        running = sum(worker.job is not None for worker in self._workers)
        while len(self._workers) < min(self._count, running + len(self._queue)):
            taken = {worker.number for worker in self._workers}
            self._workers.append(self._started(min(set(range(self._count)) - taken)))

    def _started(self, number: int) -> _Worker:
        ours, theirs = self._context.Pipe()
        arguments = (theirs, self._config, self._wanted, cores_of(number, self._count))
        process = self._context.Process(target=work, args=arguments, name=f"worker-{number}")
        process.start()
        theirs.close()
        return _Worker(process, ours, number)

    def _step(self, report: Callable[[Progress], None], stop: threading.Event) -> Iterator[Outcome]:
        if not stop.is_set():
            self._start_missing()
        for worker in list(self._workers):
            if worker.is_ready and worker.job is None:
                self._give(worker, stop)
        ready = wait([worker.connection for worker in self._workers], _POLL_S)
        for worker in [one for one in self._workers if one.connection in ready]:
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                yield from self._replaced(worker, stop)
                continue
            yield from self._received(worker, message, report, stop)

    def _give(self, worker: _Worker, stop: threading.Event) -> None:
        """Gives a free process its next video, or ends it where there is none."""
        is_stopping = stop.is_set()
        if self._queue and not is_stopping:
            worker.job = self._queue.take()
            with suppress(OSError):  # It has been lost, which its connection shows.
                worker.connection.send(worker.job)
        elif is_stopping or not any(one.job for one in self._workers):
            # While others work, it stays for a video that is lost.
            with suppress(OSError):
                worker.connection.send(None)
            worker.process.join(_END_S)
            worker.connection.close()
            self._workers.remove(worker)

    def _received(
        self,
        worker: _Worker,
        message: Any,
        report: Callable[[Progress], None],
        stop: threading.Event,
    ) -> Iterator[Outcome]:
        if isinstance(message, Progress):
            report(message)
        elif isinstance(message, Outcome):
            job, worker.job = worker.job, None
            yield from self._queue.ended(job, message, is_stopping=stop.is_set())
        elif message is None:
            worker.is_ready = True
        else:
            raise ModelError(str(message))

    def _replaced(self, worker: _Worker, stop: threading.Event) -> Iterator[Outcome]:
        """Removes a process that is lost; its job is first in the queue."""
        worker.process.join(_END_S)
        self._workers.remove(worker)
        worker.connection.close()
        job = worker.job
        if job is not None:
            if stop.is_set():
                yield Outcome(job.name, State.STOPPED)
            elif given_up := self._queue.put_back(job, f"exit code {worker.process.exitcode}"):
                yield given_up
        elif not worker.is_ready and not stop.is_set():
            # A signal to all processes of the command has ended it else.
            raise ModelError(
                f"a process ended with exit code {worker.process.exitcode} while it built the "
                "pipeline; is there enough memory? Try fewer --workers"
            )

    def _stop(self) -> Iterator[Outcome]:
        """Interrupts the running videos; yields those that were not begun."""
        for worker in self._workers:
            if worker.process.pid is not None and worker.job is not None:
                os.kill(worker.process.pid, signal.SIGTERM)
            elif worker.process.pid is not None and not worker.is_ready:
                worker.process.kill()
                worker.is_ready = True
        yield from self._queue.drain()


def cores_of(number: int, count: int) -> tuple[int, ...]:
    """Returns the processors of one of several processes; empty where all may use all.

    Example:
        >>> len(cores_of(0, 1)) == 0
        True
    """
    if count == 1 or not hasattr(os, "sched_getaffinity"):
        return ()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < count:
        return (cores[number % len(cores)],)
    return tuple(cores[number::count])
