"""The work of one process of `tracker batch`: one model load, then video after video."""

import contextlib
import io
import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from multiprocessing.connection import Connection
from typing import Any

from tracker.cli.batch.done_record import found_results, write_record
from tracker.cli.batch.jobs import Job, Wanted
from tracker.cli.batch.join import Join
from tracker.cli.batch.pieces import Piece, piece_config, planned_pieces, split_facts
from tracker.cli.batch.remote_work import copied, copied_back, is_remote_job, local_copy
from tracker.cli.run.checkpoint_file import SUFFIX
from tracker.cli.run.identity import run_identity
from tracker.cli.run.one import RunRequest, Stop
from tracker.cli.run.one import run as run_one
from tracker.cli.shortage import shortage_text
from tracker.config.build import NO_EMBEDDER, build_pipeline, embedder_name
from tracker.config.run import Config
from tracker.errors import NotResumableError, TrackerError
from tracker.pipeline.single import Pipeline
from tracker.sinks.json_records import Embeddings
from tracker.tracks import TrackedFrame
from tracker.util.address import shown_address
from tracker.util.remote import remove, remove_folder, write_text

_REPORT_S = 0.5
"""Seconds between two reports of progress."""


class State(StrEnum):
    """How the work on a video ended."""

    DONE = "done"
    SKIPPED = "skipped"
    """Its results were complete, of the same video, configuration and models."""
    FAILED = "failed"
    SPLIT = "split"
    """It has pieces, which are to be done before it."""
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
        reason: Why it failed, or why complete results were made again.
        processed: Number of frames that were processed now, not by a run that it continues.
        pieces: The pieces of a video that is split.
    """

    source: str
    state: State
    frames: int = 0
    ids: int = 0
    seconds: float = 0.0
    reason: str = ""
    processed: int = 0
    pieces: tuple[Piece, ...] = ()


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
    means = _Means(pipeline, config, wanted)
    try:
        pieces: tuple[Piece, ...] = ()
        if job.split_s is not None:
            pieces = planned_pieces(job.source, config, job.split_s)
        identity = _identity(job, means, is_split=bool(pieces))
        found = found_results(job, wanted, identity)
        if found.complete is not None:
            return Outcome(job.name, State.SKIPPED, found.complete.frames, found.complete.ids)
        progress = _Frames(job, report)
        if not pieces:
            code = _run_here_or_remote(job, means, progress, stop)
        elif all(_is_complete(one, means) for one in _parts(job, pieces)):
            code = _join(job, means, pieces)
        else:
            return Outcome(job.name, State.SPLIT, pieces=pieces)
        seconds = time.monotonic() - start
        if code:
            return Outcome(
                job.name, State.STOPPED, progress.frames, 0, seconds, processed=progress.processed
            )
        done = write_record(job, wanted, identity)
        if job.piece is None:  # Also those that an earlier command with --split has left.
            remove_folder(job.folder_of_pieces)
    except Exception as error:
        # Whatever one video does, the others go on; `tracker run` shows the traceback.
        reason = str(error)
        if not isinstance(error, TrackerError):
            reason = shortage_text(error) or f"{type(error).__name__}: {error}"
        reason = reason.removeprefix(f"{shown_address(job.source)}: ")  # The table names it.
        return Outcome(job.name, State.FAILED, 0, 0, time.monotonic() - start, reason)
    note = f"made again: {found.damage}" if found.damage else ""
    return Outcome(
        job.name, State.DONE, done.frames, done.ids, seconds, note, processed=progress.processed
    )


@dataclass(frozen=True, slots=True)
class _Means:
    """What a worker has for all of its jobs."""

    pipeline: Pipeline
    config: Config
    wanted: Wanted


def _run(
    job: Job,
    means: _Means,
    progress: "_Frames",
    on_result: Callable[[TrackedFrame], None],
    stop: Stop | None,
) -> int:
    """Returns the exit code of the run, which continues an earlier one where that is the same."""
    from tracker.util.opencv import cv2

    config, outputs, until_s = means.config, job.outputs(means.wanted), None
    if job.piece is not None:
        # The join compares appearances, where there are any.
        has_embeddings = embedder_name(config) != NO_EMBEDDER
        embeddings = Embeddings.INCLUDE if has_embeddings else Embeddings.OMIT
        outputs = replace(outputs, embeddings=embeddings)
        config, until_s = piece_config(config, job.piece), job.piece.end_s
    with contextlib.redirect_stderr(io.StringIO()):
        for resume in (os.path.exists(f"{job.stem}.jsonl{SUFFIX}"), False):
            cv2.setRNGSeed(config.seed)
            request = RunRequest(
                (job.source,), config, outputs, progress=False, resume=resume, until_s=until_s
            )
            try:
                code = run_one(request, means.pipeline, on_result, stop)
                if job.piece is not None and not (code or resume or progress.processed):
                    # A pause of the recording: the file says that there is nothing.
                    write_text(f"{job.stem}.jsonl", "")
                return code
            except NotResumableError:
                if not resume:
                    raise
    raise AssertionError("the second attempt resumes nothing")


def _run_here_or_remote(job: Job, means: _Means, progress: "_Frames", stop: Stop | None) -> int:
    if is_remote_job(job):
        return _run_remote(job, means, progress, stop)
    return _run(job, means, progress, progress.add, stop)


def _run_remote(job: Job, means: _Means, progress: "_Frames", stop: Stop | None) -> int:
    """Returns the exit code of the run of copies of the files."""
    with copied(job, means.wanted, means.config.run.checkpoint_s or math.inf) as copies:

        def after_result(result: TrackedFrame) -> None:
            progress.add(result)
            copies.copy_now_and_then()

        code = _run(copies.job, means, progress, after_result, stop)
        if code:
            copies.copy_checkpoint()
        else:
            copies.finish()
    return code


def _join(job: Job, means: _Means, pieces: Sequence[Piece]) -> int:
    """Joins the recordings of all pieces; returns 0."""
    assert job.split_s is not None, "the caller has split it"
    remove(job.record)
    facts = split_facts(job.split_s)
    with copied_back(job, means.wanted) as here:
        join = Join(job.source, means.config, here.outputs(means.wanted), facts)
        try:
            for piece, part in zip(pieces, _parts(job, pieces), strict=True):
                with local_copy(f"{part.stem}.jsonl") as recording:
                    join.add(piece, recording)
        except BaseException:
            with contextlib.suppress(TrackerError):
                join.close(complete=False)
            raise
        join.close(complete=True)
    return 0


def _is_complete(job: Job, means: _Means) -> bool:
    return found_results(job, means.wanted, _identity(job, means)).complete is not None


def _parts(job: Job, pieces: Sequence[Piece]) -> list[Job]:
    return [job.of_piece(piece) for piece in pieces]


class _Frames:
    """Counts the frames of a video, and reports them now and then.

    With the first one the record of earlier results, which are replaced then, is removed.
    """

    def __init__(self, job: Job, report: Report) -> None:
        self._job, self._report = job, report
        self._due_s = 0.0
        self.frames = self.processed = 0

    def add(self, result: TrackedFrame) -> None:
        """Counts one result."""
        piece, video = self._job.piece, result.run.video
        begin_s = 0.0 if piece is None else piece.read_from_s
        if not self.processed:
            remove(self._job.record)
        self.processed += 1
        self.frames = result.frame.index + 1 - round(begin_s * video.fps)
        if time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + _REPORT_S
            of = video.frame_count  # Of a piece: those from its first one to the end of the video.
            if piece is not None and piece.end_s is not None:
                of = round((piece.end_s - begin_s) * video.fps)
            self._report(Progress(self._job.name, self.frames, of))


def _identity(job: Job, means: _Means, *, is_split: bool = False) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(
        json.dumps(
            run_identity(
                job.source,
                means.config.result_json(),
                means.pipeline.model_digests,
                means.pipeline.class_names,
                asdict(means.wanted),
            )
        )
    )
    if job.piece is not None:
        plain["piece"] = asdict(job.piece)
    elif is_split and job.split_s is not None:
        plain["split"] = split_facts(job.split_s)
    return plain
