"""The work of one process of `tracker batch`: one model load, then video after video."""

import contextlib
import io
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from multiprocessing.connection import Connection
from typing import Any

from tracker.cli.batch.jobs import Job, Wanted
from tracker.cli.run.checkpoint_file import SUFFIX
from tracker.cli.run.identity import run_identity
from tracker.cli.run.one import RunRequest, Stop
from tracker.cli.run.one import run as run_one
from tracker.cli.shortage import shortage_text
from tracker.config.build import build_pipeline
from tracker.config.run import Config
from tracker.errors import ConfigError, TrackerError
from tracker.pipeline.single import Pipeline
from tracker.tracks import TrackedFrame
from tracker.util.atomic_file import replace_text

_REPORT_S = 0.5
"""Seconds between two reports of progress."""


class State(StrEnum):
    """How the work on a video ended."""

    DONE = "done"
    SKIPPED = "skipped"
    """Its results were complete, of the same video, configuration and models."""
    FAILED = "failed"
    STOPPED = "stopped"
    """By a signal; the next `tracker batch` continues it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one video.

    Attributes:
        source: The video.
        state: How it ended.
        frames: Number of frames in the results.
        ids: Number of tracks.
        seconds: Seconds that it took.
        reason: Why it failed.
    """

    source: str
    state: State
    frames: int = 0
    ids: int = 0
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """Frames of a video that are done, and how many there are, if that is known."""

    source: str
    frames: int
    of: int | None


Report = Callable[[Progress], None]


def work(connection: Connection, config: Config, wanted: Wanted, cores: Sequence[int]) -> None:
    """Processes the videos that arrive, until `None` does; runs in a process of its own.

    It leaves the terminal's process group, so that Ctrl-C reaches the parent alone, which passes
    it on; and it ends where the parent has ended.

    Args:
        connection: To the parent.
        config: The configuration.
        wanted: The files of each video.
        cores: Processors to use.
    """
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            pipeline = build_pipeline(config)
        except TrackerError as error:
            connection.send(error.args[0] if error.args else str(error))
            return
        connection.send(None)
        while (job := connection.recv()) is not None:
            connection.send(process(job, pipeline, config, wanted, connection.send))


def process(
    job: Job,
    pipeline: Pipeline,
    config: Config,
    wanted: Wanted,
    report: Report,
    stop: Stop | None = None,
) -> Outcome:
    """Returns the outcome of one video, which is skipped where its results are complete.

    Args:
        job: The video.
        pipeline: Of the configuration.
        config: The configuration.
        wanted: The files of the results.
        report: Gets the progress.
        stop: Interrupts the run, as signals do; `None` for signals only.
    """
    start = time.monotonic()
    try:
        identity = _identity(job, pipeline, config, wanted)
        record = _record(job)
        if record.get("identity") == identity and _are_there(job, wanted):
            return Outcome(job.name, State.SKIPPED, record["frames"], record["ids"])
        progress = _Frames(job.name, report)
        code = _run(job, pipeline, config, wanted, progress.add, stop)
    except Exception as error:
        # Whatever one video does, the others go on; `tracker run` shows the traceback.
        reason = str(error)
        if not isinstance(error, TrackerError):
            reason = shortage_text(error) or f"{type(error).__name__}: {error}"
        reason = reason.removeprefix(f"{job.source}: ")  # The table names it.
        return Outcome(job.name, State.FAILED, 0, 0, time.monotonic() - start, reason)
    seconds = time.monotonic() - start
    if code:
        return Outcome(job.name, State.STOPPED, progress.frames, 0, seconds)
    frames, ids = _footer(f"{job.stem}.jsonl")
    facts = {"identity": identity, "frames": frames, "ids": ids}
    replace_text(job.record, json.dumps(facts, indent=1) + "\n")
    return Outcome(job.name, State.DONE, frames, ids, seconds)


def _run(
    job: Job,
    pipeline: Pipeline,
    config: Config,
    wanted: Wanted,
    on_result: Callable[[TrackedFrame], None],
    stop: Stop | None,
) -> int:
    """Returns the exit code of the run, which continues an earlier one where that is the same."""
    from tracker.util.opencv import cv2

    outputs = job.outputs(wanted)
    job.record.unlink(missing_ok=True)
    with contextlib.redirect_stderr(io.StringIO()):
        for resume in (os.path.exists(f"{job.stem}.jsonl{SUFFIX}"), False):
            cv2.setRNGSeed(config.seed)
            request = RunRequest((job.source,), config, outputs, progress=False, resume=resume)
            try:
                return run_one(request, pipeline, on_result, stop)
            except ConfigError as error:
                if not resume or "cannot resume" not in str(error):
                    raise
    raise AssertionError("the second attempt resumes nothing")


class _Frames:
    """Counts the frames of a video, and reports them now and then."""

    def __init__(self, source: str, report: Report) -> None:
        self._source, self._report = source, report
        self._due_s = 0.0
        self.frames = 0

    def add(self, result: TrackedFrame) -> None:
        """Counts one result."""
        self.frames = result.frame.index + 1
        if time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + _REPORT_S
            self._report(Progress(self._source, self.frames, result.run.video.frame_count))


def _identity(job: Job, pipeline: Pipeline, config: Config, wanted: Wanted) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(
        json.dumps(
            run_identity(
                job.source,
                config.result_json(),
                pipeline.model_digests,
                pipeline.class_names,
                asdict(wanted),
            )
        )
    )
    return plain


def _record(job: Job) -> Mapping[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        record = json.loads(job.record.read_bytes())
        if isinstance(record, dict) and {"identity", "frames", "ids"} <= record.keys():
            return record
    return {}


def _are_there(job: Job, wanted: Wanted) -> bool:
    outputs = job.outputs(wanted)
    paths = (outputs.json, outputs.video, outputs.events)
    return all(os.path.exists(path.replace("{{", "{").replace("}}", "}")) for path in paths if path)


def _footer(path: str) -> tuple[int, int]:
    """Returns the number of frames and of tracks of a complete recording."""
    with open(path, "rb") as file:
        for line in file:
            last = line
    footer = json.loads(last)
    return footer["frames"], footer["ids"]
