"""What runs the videos of `tracker batch`: processes on this machine, or actors of Ray."""

import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from tracker.cli.batch.jobs import Job
from tracker.cli.batch.work import Outcome, Progress, State

ATTEMPTS = 3
"""Workers that a video may cost before it is given up."""


class JobQueue:
    """Jobs that wait for a worker, and how often the worker of each was lost.

    Args:
        jobs: The jobs, in order.
    """

    def __init__(self, jobs: Sequence[Job] = ()) -> None:
        self._waiting = deque(jobs)
        self._lost: dict[Job, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, job: Job) -> None:
        """Adds a job at the end."""
        self._waiting.append(job)

    def take(self) -> Job:
        """Removes and returns the next job, of which there is one."""
        return self._waiting.popleft()

    def put_back(self, job: Job, how: str) -> Outcome | None:
        """Puts the job of a lost worker first; returns its outcome where it is given up.

        Args:
            job: The job.
            how: How the worker ended, for the reason.
        """
        count = self._lost[job] = self._lost.get(job, 0) + 1
        if count >= ATTEMPTS:
            reason = f"{count} processes were lost with it ({how})"
            return Outcome(job.name, State.FAILED, reason=reason)
        self._waiting.appendleft(job)
        return None

    def ended(self, job: Job | None, outcome: Outcome, *, is_stopping: bool) -> Iterator[Outcome]:
        """Yields the outcome of a job; one that others than this command stopped is put back."""
        if job is None or outcome.state is not State.STOPPED or is_stopping:
            yield outcome
        elif given_up := self.put_back(job, "stopped by a signal"):
            yield given_up

    def drain(self) -> list[Outcome]:
        """Removes all jobs; returns their outcomes: they were not begun."""
        outcomes = [Outcome(job.name, State.STOPPED) for job in self._waiting]
        self._waiting.clear()
        return outcomes


class Engine(AbstractContextManager["Engine"]):
    """Workers, each with one copy of the models, and the jobs that they have not done."""

    def __init__(self) -> None:
        self._queue = JobQueue()

    def add(self, job: Job) -> None:
        """Adds a job; to be called between two outcomes of `run`."""
        self._queue.add(job)

    @abstractmethod
    def run(
        self, jobs: Sequence[Job], report: Callable[[Progress], None], stop: threading.Event
    ) -> Iterator[Outcome]:
        """Yields the outcome of each job, in the order in which they end.

        Args:
            jobs: The jobs.
            report: Gets the progress.
            stop: Once it is set, running jobs are interrupted, and no other is begun.

        Raises:
            ModelError: The workers cannot build the pipeline.
        """
