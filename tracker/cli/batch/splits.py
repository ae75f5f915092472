"""Which pieces of which videos are not done yet."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tracker.cli.batch.jobs import Job
from tracker.cli.batch.work import Outcome, State


@dataclass(slots=True)
class _Parts:
    """The pieces of one video.

    Attributes:
        open: Names of those that are not done.
        count: Number of all.
        seconds: Seconds that the others took.
        processed: Frames that they processed in that time.
        notes: What there is to say about pieces that are done.
        worst: The outcome of the video if it cannot be joined; `None` so far.
    """

    open: set[str]
    count: int
    seconds: float = 0.0
    processed: int = 0
    notes: list[str] = field(default_factory=list)
    worst: Outcome | None = None


@dataclass(slots=True)
class Step:
    """What follows from an outcome.

    Attributes:
        ended: The outcome of a whole video, if it has ended.
        jobs: Jobs to add.
    """

    ended: Outcome | None = None
    jobs: Sequence[Job] = field(default_factory=list)


class Splits:
    """The videos of a batch and their pieces.

    Args:
        jobs: The videos.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._videos = {job.name: job for job in jobs}
        self._video_of: dict[str, Job] = {}
        self._parts: dict[str, _Parts] = {}

    def video(self, name: str) -> str:
        """Returns the name of the video that a job belongs to."""
        job = self._video_of.get(name)
        return name if job is None else job.name

    def share(self, name: str) -> float:
        """Returns the share of its video that a job is."""
        parts = self._parts.get(self.video(name))
        return 1.0 if parts is None or name in self._videos else 1.0 / parts.count

    def step(self, outcome: Outcome) -> Step:
        """Returns what follows from the outcome of a job."""
        if outcome.state is State.SPLIT:
            return self._begun(outcome)
        video = self._video_of.get(outcome.source)
        if video is not None:
            return self._piece_ended(video, outcome)
        parts = self._parts.get(outcome.source)
        if parts is None:
            return Step(outcome)
        reason = "; ".join(filter(None, (*parts.notes, outcome.reason)))
        seconds = outcome.seconds + parts.seconds
        return Step(replace(outcome, seconds=seconds, reason=reason, processed=parts.processed))

    def _begun(self, outcome: Outcome) -> Step:
        if outcome.source in self._parts:
            reason = "its pieces were done and are gone; is another command writing them?"
            return Step(Outcome(outcome.source, State.FAILED, reason=reason))
        video = self._videos[outcome.source]
        jobs = [video.of_piece(piece) for piece in outcome.pieces]
        self._video_of |= {job.name: video for job in jobs}
        self._parts[video.name] = _Parts({job.name for job in jobs}, len(jobs))
        return Step(jobs=jobs)

    def _piece_ended(self, video: Job, outcome: Outcome) -> Step:
        parts = self._parts[video.name]
        parts.open.discard(outcome.source)
        parts.seconds += outcome.seconds
        parts.processed += outcome.processed
        place = outcome.source.removeprefix(video.name)
        reason = f"{place}: {outcome.reason}" if outcome.reason else ""
        if outcome.state in (State.DONE, State.SKIPPED):
            parts.notes += [reason] if reason else []
        elif parts.worst is None:
            parts.worst = Outcome(video.name, outcome.state, reason=reason)
        if parts.open:
            return Step()
        if parts.worst is not None:
            return Step(replace(parts.worst, seconds=parts.seconds))
        return Step(jobs=[video])
